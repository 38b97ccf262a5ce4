#compdef netsonde
# SPDX-License-Identifier: Apache-2.0
# Completion of netsonde for zsh.

_netsonde_fields() {
  local -a names
  names=(${(f)"$(netsonde fields 2>/dev/null | awk '{ if (sub(/,$/, "", $1)) print $2; print $1 }')"})
  _values "$@" field $names
}

_netsonde_settings() {
  local -a keys
  keys=(${(f)"$(netsonde tune list --all 2>/dev/null | awk 'NR > 1 && /^[^ ]/ { sub(/@.*/, "", $1); if (!seen[$1]++) print $1 }')"})
  _values "$@" setting $keys
}

_netsonde_tune() {
  local -a help=('(-h --help)'{-h,--help}'[the options of the command]')
  local context state line
  _arguments -C $help '1:command:->command' '*::option:->option'
  case $state in
    command)
      _values command 'list[the settings and their values]' 'plan[what would help]' 'apply[change settings]' 'connection[change live connections]' \
        'confirm[what was applied stays]' 'rollback[undo]' 'status[what is in force]' 'log[what was ever changed]' 'report[the same on one page]' \
        'persist[also after the next boot]' 'unpersist[not any more]' 'recover[undo what was interrupted]' \
        'hand-back[what others set may be changed again]' 'profile[named sets of values]' 'experiment[by turns, measured]' 'auto[look, try, keep what proved better]' ;;
    option)
      case $line[1] in
        list) _arguments $help '--all[also what is not available or as usual]' '--json[JSON instead of text]' '*:setting:_netsonde_settings' ;;
        plan) _arguments $help '--duration[look for so long]:time (30s):' '--from[a recording]:recording:_files' '--since[from then on]:when:' \
          '--until[up to then]:when:' '--at[as it was then]:when:' '--salvage[pass over what is damaged]' '--profile[by profile]:name:' \
          '--goal[what for]:goal:(balanced throughput latency)' '*--only[only these]:setting:_netsonde_settings' \
          '*--except[none of these]:setting:_netsonde_settings' '(-o --output)'{-o,--output}'[into this file]:file:_files' \
          '--force[replace the file]' '--json[JSON instead of text]' ;;
        apply) _arguments $help '--profile[by profile]:name:' '*--set[this value]:setting:' '*--only[only these]:setting:_netsonde_settings' \
          '*--except[none of these]:setting:_netsonde_settings' '--confirm-within[else undo]:time (60s):' \
          '--yes[do not ask]' '--wait[end with the outcome]' '1:plan:_files' ;;
        connection) _arguments $help '--where[those that it accepts]:expression:' '--congestion[congestion control]:name:(reno cubic bbr)' \
          '--max-pacing-rate[the most that each sends]:bytes in a second:(unlimited)' '--window-clamp[the largest window]:bytes:' \
          '--confirm-within[else undo]:time (60s):' '--yes[do not ask]' '--wait[end with the outcome]' '--json[the plan, nothing else]' ;;
        rollback) _arguments $help '--to[undo all after this set]:set:' ;;
        status | log) _arguments $help '--json[JSON instead of text]' ;;
        report) _arguments $help '(-o --output)'{-o,--output}'[into this file]:file (.html .md .json .txt):_files' '--force[replace the file]' \
          '--format[whatever its name]:form:(html md json text)' ;;
        hand-back) _arguments $help '*:setting:_netsonde_settings' ;;
        profile) _arguments $help '--json[JSON instead of text]' '1:command:(list show)' '2:name:' ;;
        experiment) _arguments $help '*--set[what is tried]:setting:' '--metric[what decides]:metric:' '--load[while this runs]:command:' \
          '--probe[how this answers]:url:_urls' '--blocks[so often each way]:number (12):' '--period[measure so long]:time (5s):' \
          '--wash-out[wait after a change]:time (2s):' '--seed[of the order]:number:' '--keep[what proved better stays]' '--yes[do not ask]' \
          '--json[JSON instead of text]' ;;
        auto) _arguments $help '--goal[what for]:goal:(balanced throughput latency)' '--duration[end after]:time:' '--window[look so long]:time (30s):' \
          '--blocks[so often each way]:number (8):' '--period[measure so long]:time (5s):' '--wash-out[wait after a change]:time (5s):' \
          '--seed[of the order]:number:' '--most-per-hour[changes]:number (12):' '--back-off[of what did not help]:time (10m):' \
          '*--only[change only this]:setting:_netsonde_settings' '*--except[never change this]:setting:_netsonde_settings' \
          '--json[one object per event]' ;;
        *) _arguments $help ;;
      esac ;;
  esac
}

_netsonde() {
  local -a looking=(
    '--filter[only what this expression accepts]:expression:'
    '--deep[look at every ACK of these connections]:expression:'
    '--json[JSON instead of text]'
    '--ring-size[buffer between kernel and netsonde]:size (4MiB):'
    '(-h --help)'{-h,--help}'[the options of the command]'
  )
  local -a table=(
    '--interval[time between two looks]:time (1s):'
    '--by[sort by this field]:field:_netsonde_fields'
    '--limit[at most so many rows]:number:'
    '--fields[columns]:fields:_netsonde_fields -s ,'
    '--listeners[also listening sockets]'
  )
  local -a view=(
    '--once[one table]'
    '--batch[a table per interval]'
    '--count[end after so many tables]:number:'
    '--history[memory for stepping back in time]:size (64MiB):'
    '--resolve[names instead of addresses]'
    '--ascii[no characters beyond ASCII]'
  )
  local -a trace=(
    '--events[only these kinds]:events:_values -s , event connect established accept listen close
      listen_close retransmit reset drop congestion_state listen_overflow rtt'
    '--duration[end after this time]:time:'
    '--count[end after so many events]:number:'
  )
  local -a test=(
    '--requests[at most so many]:number (2000):'
    '--bytes[at most so much of bodies]:size (100MB):'
    '--duration[about so long]:time (30s):'
    '--concurrency[up to so many at once]:number (64):'
    '--rate[a second, of the open loop]:number:'
    '--upload-url[also upload to this]:url:_urls'
    '--only[these stages]:stage:_values -s , stage cold warm download upload sweep open-loop responsiveness'
    '--timeout[a request may take so long]:time (10s):'
    '--http[only this version]:version:(1.1 2)'
    '*--header[of the requests]:header:'
    '--ca[certificates to trust]:file:_files'
    '--insecure[accept any certificate]'
    '(-o --output)'{-o,--output}'[into this file]:file (.html .md .json .txt):_files'
    '--format[whatever its name]:form:(html md json text)'
    '--force[replace the file]'
    '--json[the same as --format json]'
  )
  local -a experiment=(
    '--compare[what is done in different ways]:factor:_values -s , factor reuse http multiplex batch encoding dns resolver address tls congestion rcvbuf notsent-lowat dscp nodelay'
    '--blocks[measure every way so often]:number (30):'
    '--units[so often in each block]:number (5):'
    '--seed[of the order]:number:'
    '--requests[of multiplex and batch]:number (10):'
    '--batch[one larger request instead]:url:_urls'
    '--values[compare these with the default]:value,...:'
    '*--server[ask this one for names]:address:'
    '--method[of HTTP]:method:(GET HEAD PUT POST DELETE OPTIONS)'
    '*--header[of the request]:header:'
    '--send[so many bytes]:size (0):'
    '--ca[certificates to trust]:file:_files'
    '--insecure[accept any certificate]'
    '--timeout[of a whole attempt]:time (10s):'
    '--dns-timeout[of one DNS server]:time (2s):'
    '--connect-timeout[of the TCP handshake]:time (3s):'
    '--tls-timeout[of the TLS handshake]:time (5s):'
    '--response-timeout[to the first byte]:time (10s):'
    '--max-body[a longer answer is a failure]:size (64MiB):'
    '--json[JSON instead of text]'
  )
  local -a explain=(
    '--duration[look for so long]:time (10s):'
    '--interval[time between two looks]:time (500ms):'
    '--pid[only connections of this process]:process:_pids'
    '--connection[only this connection]:cookie:'
  )
  local -a probe=(
    '--file[targets, one a line]:file:_files'
    '--count[measure every target so often]:number (1):'
    '--interval[from one measurement to the next]:time (1s):'
    '--parallel[attempts at once]:number (64):'
    '--per-host[of these, to one host]:number (16):'
    '--keep-alive[use connections again]'
    '--pool[connections kept open]:number (1000):'
    '--retries[try again what failed]:number (0):'
    '--backoff[wait before the first retry]:time (200ms):'
    '--breaker[failures until a target is left alone]:number (5):'
    '--timeout[of a whole attempt]:time (10s):'
    '--dns-timeout[of one DNS server]:time (2s):'
    '--connect-timeout[of the TCP handshake]:time (3s):'
    '--tls-timeout[of the TLS handshake]:time (5s):'
    '--response-timeout[to the first byte]:time (10s):'
    '--max-body[a longer answer is a failure]:size (64MiB):'
    '*--server[ask this one for names]:address:'
    '--dns-cache[answers that are kept]:number (4096):'
    '--http[only this version]:version:(1.1 2 3)'
    '--method[of HTTP]:method:(GET HEAD PUT POST DELETE OPTIONS)'
    '*--header[of the request]:header:'
    '--accept-encoding[ask for it]:encoding:(gzip br zstd)'
    '--send[so many bytes]:size (0):'
    '--redirects[follow so many]:number (5):'
    '--ca[certificates to trust]:file:_files'
    '--insecure[accept any certificate]'
    '--congestion[control of what we send]:name:'
    '--receive-buffer[of the sockets]:size:'
    '--dscp[mark what we send]:number (0):'
    '--all-addresses[every address of each name]'
    '--expect[exit with 4 unless it holds]:expression:'
    '--no-bpf[without BPF programs]'
    '--json[JSON instead of text]'
  )
  local -a monitor=(
    '--interval[time between two samples]:time (1s):'
    '--duration[sample for so long, or forever]:time (5m):'
  )
  local -a recorded=(
    '--from[a recording instead of the running kernel]:recording:_files'
    '--since[from then on]:time (03\:12, 15m, +30s):'
    '--until[up to then]:time (03\:12, 15m, +30s):'
    '--at[as it was then]:time (03\:12, 15m, +30s):'
    '--salvage[pass over what is damaged]'
  )
  local -a record=(
    '(-o --output)'{-o,--output}'[the file]:file:_files'
    '--rolling[a directory with the newest]:directory:_files -/'
    '--keep[for so long]:time:'
    '--max-size[at most so much]:size (2GiB):'
    '--duration[end after this time]:time:'
    '--interval[time between two looks]:time (1s):'
    '--force[replace the file]'
  )
  local -a report=(
    '(-o --output)'{-o,--output}'[into this file]:file (.html .md .json .txt):_files'
    '--format[whatever its name]:form:(html md json text)'
    '--force[replace the file]'
    '--duration[look for so long]:time (30s):'
    '--interval[time between two looks]:time:'
  )
  local context state line
  _arguments -C '--config[defaults for options]:file:_files' '--version[version]' \
    '(-h --help)'{-h,--help}'[help]' '1:command:->command' '*::option:->option'
  case $state in
    command)
      _values command 'top[live view of every TCP connection]' 'connections[one table]' \
        'trace[events as they happen]' 'explain[what is wrong, and what would help]' \
        'monitor[what leaves the usual]' \
        'report[all that was found, on one page]' 'export[a recording for other programs]' \
        'record[keep everything in a file]' 'snapshot[a part of a recording]' 'dns[how DNS servers compare]' \
        'probe[how targets answer]' 'test[one URL as a whole]' 'experiment[what other ways of asking gain]' \
        'tune[change settings, and undo that]' 'doctor[what this host can show]' 'fields[the fields]' ;;
    option)
      case $line[1] in
        top) _arguments $looking $recorded $table $view ;;
        connections) _arguments $looking $recorded $table ;;
        trace) _arguments $looking $recorded $trace ;;
        explain) _arguments $explain $recorded $looking[1] $looking[3,-1] ;;
        monitor) _arguments $monitor $recorded $looking[3,-1] ;;
        report) _arguments '*--with[results of probes and experiments]:file:_files' $report $recorded $looking[1] $looking[4,-1] ;;
        export) _arguments $recorded[2,3] $recorded[5] $record[1] $record[2] $record[8] $looking[1] $looking[5,-1] \
          '--format[of the output]:format:(jsonl csv sqlite perfetto)' \
          '--table[of CSV]:table:(connections samples events host findings)' '1:recording:_files' ;;
        record) _arguments $record $looking[1] $looking[4,-1] ;;
        snapshot) _arguments $recorded $record[1] $record[2] $record[8] $looking[5,-1] ;;
        dns) _arguments '*--server[ask this one]:address:' '--type[of records]:type:_values -s , type A AAAA CAA CNAME HTTPS MX NS PTR SOA SRV TXT' \
          '--count[ask so often]:number (5):' '--timeout[wait for an answer]:time (2s):' '--json[JSON instead of text]' \
          $looking[5,-1] '*:name:_hosts' ;;
        probe) _arguments $probe $looking[5,-1] '*:target:_urls' ;;
        test) _arguments $test $looking[5,-1] '1:url:_urls' ;;
        experiment) _arguments $experiment $looking[5,-1] '1:url:_urls' ;;
        tune) _netsonde_tune ;;
        doctor) _arguments '--json[one JSON object]' $looking[5,-1] ;;
        fields) _arguments '--json[one JSON object per field]' $looking[5,-1] ;;
      esac ;;
  esac
}

_netsonde "$@"
