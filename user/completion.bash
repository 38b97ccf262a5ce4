# SPDX-License-Identifier: Apache-2.0
# Completion of netsonde for bash.

_netsonde_fields() {
    netsonde fields 2>/dev/null | awk '{ if (sub(/,$/, "", $1)) print $2; print $1 }'
}

_netsonde_settings() {
    netsonde tune list --all 2>/dev/null | awk 'NR > 1 && /^[^ ]/ { sub(/@.*/, "", $1); if (!seen[$1]++) print $1 }'
}

# Of devices and routes with "@" and which.
_netsonde_places() {
    netsonde tune list --all 2>/dev/null | awk 'NR > 1 && /^[^ ]/ { print $1 }'
}

_netsonde() {
    local current=$2 option=$3 command='' word choice='' list=''
    local recorded='--from --since --until --at --salvage'
    local looking="--filter --deep --json --ring-size $recorded --help"
    local table='--interval --by --limit --fields --listeners'
    # "=" is a word of its own.
    [ "$option" != = ] || option=${COMP_WORDS[COMP_CWORD-2]}
    [ "$current" != = ] || current=
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        if [ "$command" = tune ]; then
            case $word in list | plan | apply | connection | confirm | rollback | status | log | report | persist | unpersist | recover | hand-back | profile | experiment | auto)
                command="tune $word"; break ;; esac
        fi
        case $word in top | connections | trace | explain | monitor | report | record | snapshot | export | dns | probe | test | experiment | doctor | fields)
            command=$word; break ;; tune) command=tune ;; esac
    done
    case $option in
        --by) choice=$(_netsonde_fields) ;;
        --fields) choice=$(_netsonde_fields) list=1 ;;
        --table) choice='connections samples events host findings' ;;
        --format) [ "$command" = export ] && choice='jsonl csv sqlite perfetto' || choice='html md json text' ;;
        --events)
            choice='connect established accept listen close listen_close retransmit reset drop
                congestion_state listen_overflow rtt' list=1 ;;
        --compare) choice='reuse http multiplex batch encoding dns resolver address tls congestion rcvbuf notsent-lowat dscp nodelay' list=1 ;;
        --type) choice='A AAAA CAA CNAME HTTPS MX NS PTR SOA SRV TXT' list=1 ;;
        --http) [ "$command" = test ] && choice='1.1 2' || choice='1.1 2 3' ;;
        --set) choice=$(_netsonde_places) ;;
        --only | --except) if [ "${command%% *}" = tune ]; then choice=$(_netsonde_settings); else choice='cold warm download upload sweep open-loop responsiveness' list=1; fi ;;
        --method) choice='GET HEAD PUT POST DELETE OPTIONS' ;;
        --accept-encoding) choice='gzip br zstd' ;;
        --congestion) choice=$(cat /proc/sys/net/ipv4/tcp_available_congestion_control 2>/dev/null) ;;
        --max-pacing-rate) choice='unlimited' ;;
        --goal) choice='balanced throughput latency' ;;
        --profile) choice=$(netsonde tune profile list 2>/dev/null | awk '/^[^ ]/ { print $1 }') ;;
        --metric)
            choice='tx_bytes_per_s rx_bytes_per_s opened_per_s connected_per_s retransmit_percent rtt_p50_us rtt_p99_us listen_overflows_per_s
                connection_failures_per_s timeouts_per_s softnet_drops_per_s udp_receive_errors_per_s tx_bytes_per_busy_s tcp_memory_pages softirq_percent load_seconds probe_us' ;;
        --config | --from | -o | --output | --rolling | --file | --ca | --with)
            compopt -o default
            return ;;
        --filter | --deep | --ring-size | --interval | --count | --limit | --history | --duration | --pid | --connection | \
            --since | --until | --at | --keep | --max-size | --server | --timeout | \
            --parallel | --per-host | --pool | --retries | --backoff | --breaker | --dns-cache | --dns-timeout | --connect-timeout | \
            --tls-timeout | --response-timeout | --max-body | --header | --send | --redirects | --receive-buffer | --dscp | --expect | \
            --requests | --bytes | --concurrency | --rate | --upload-url | --confirm-within | --where | --window-clamp | --to | --load | --probe | --blocks | --period | --wash-out | --seed) return ;;
        *)
            case $command in
                '') choice='top connections trace explain monitor report record snapshot export dns probe test experiment tune doctor fields --config --version --help' ;;
                top) choice="$looking $table --once --batch --count --history --resolve --ascii" ;;
                connections) choice="$looking $table" ;;
                trace) choice="$looking --events --duration --count" ;;
                explain) choice="--filter --json --ring-size --duration --interval --pid --connection $recorded --help" ;;
                monitor) choice="--interval --duration --json --ring-size $recorded --help" ;;
                report) choice="--with --filter --ring-size --duration --interval $recorded --output --format --force --help" ;;
                export) choice='--format --table --output --filter --since --until --salvage --force --help' ;;
                record) choice='--output --rolling --keep --max-size --duration --interval --filter --ring-size --force --help' ;;
                snapshot) choice="$recorded --output --force --help" ;;
                dns) choice='--server --type --count --timeout --json --help' ;;
                probe)
                    choice='--file --count --interval --parallel --per-host --keep-alive --pool --retries --backoff --breaker
                        --timeout --dns-timeout --connect-timeout --tls-timeout --response-timeout --max-body --server --dns-cache
                        --http --method --header --accept-encoding --send --redirects --ca --insecure --congestion
                        --receive-buffer --dscp --all-addresses --expect --no-bpf --json --help' ;;
                test)
                    choice='--requests --bytes --duration --concurrency --rate --upload-url --only --timeout --http --header --ca
                        --insecure --output --format --force --json --help' ;;
                experiment)
                    choice='--compare --blocks --units --seed --requests --batch --values --server --method --header --send --ca --insecure
                        --timeout --dns-timeout --connect-timeout --tls-timeout --response-timeout --max-body --json --help' ;;
                tune) choice='list plan apply connection confirm rollback status log report persist unpersist recover hand-back profile experiment auto --help' ;;
                'tune list') choice="--all --json --help $(_netsonde_settings)" ;;
                'tune plan') choice="$recorded --duration --profile --goal --only --except --output --force --json --help" ;;
                'tune apply')
                    compopt -o default
                    choice='--profile --set --only --except --confirm-within --yes --wait --help' ;;
                'tune connection')
                    choice='--where --congestion --max-pacing-rate --window-clamp --confirm-within --yes --wait --json --help' ;;
                'tune experiment')
                    choice='--set --metric --load --probe --blocks --period --wash-out --seed --keep --yes --json --help' ;;
                'tune auto')
                    choice='--goal --duration --window --blocks --period --wash-out --seed --most-per-hour --back-off --only --except --json --help' ;;
                'tune rollback') choice='--to --help' ;;
                'tune status' | 'tune log') choice='--json --help' ;;
                'tune report') choice='--output --force --format --help' ;;
                'tune hand-back') choice="--help $(_netsonde_settings)" ;;
                'tune profile') choice='list show --json --help' ;;
                'tune '*) choice='--help' ;;
                doctor) choice='--json --help' ;;
                fields) choice='--json --help' ;;
            esac ;;
    esac
    COMPREPLY=()
    if [ -n "$list" ]; then
        compopt -o nospace
        local before=
        case $current in *,*) before=${current%,*}, current=${current##*,} ;; esac
        while read -r word; do COMPREPLY+=("$before$word"); done < <(compgen -W "$choice" -- "$current")
    else
        while read -r word; do COMPREPLY+=("$word"); done < <(compgen -W "$choice" -- "$current")
    fi
}
complete -F _netsonde netsonde
