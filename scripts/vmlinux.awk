# SPDX-License-Identifier: Apache-2.0
# Cuts a C dump of kernel types down to what the BPF programs name; see vmlinux.sh.
# Input: the preprocessed programs (*.i), then the dump.

function note_words(line,    word, before, kind, type) {
    while (match(line, /[A-Za-z_][A-Za-z0-9_]*/)) {
        before = substr(line, 1, RSTART - 1)
        word = substr(line, RSTART, RLENGTH)
        line = substr(line, RSTART + RLENGTH)
        seen[word]
        if (!ours)
            continue
        if (word ~ /[A-Z]|^true$|^false$/)
            constant[word]
        if (before ~ /(\.|->) *$/)
            field[word]
        # struct TYPE NAME: a variable that is a copy needs the true size, so all members.
        if (type != "" && before ~ /^ +$/ && line ~ /^ *[;=,[]/)
            whole[type]
        type = (kind != "" && before ~ /^ +$/) ? kind " " word : ""
        if (type != "")
            root[type]
        kind = word ~ /^(struct|union|enum)$/ ? word : ""
    }
}

function declared_name(line) {
    if (match(line, /\(\*+[A-Za-z0-9_]+/))
        return substr(line, RSTART + 2, RLENGTH - 2)
    sub(/( *: *[0-9]+)?;$/, "", line)
    gsub(/\[[0-9]*\]/, "", line)
    return match(line, /[A-Za-z0-9_]+$/) ? substr(line, RSTART, RLENGTH) : ""
}

# What a declaration is known by: "struct sock", "u32", "enum #7".
function key_of(first, last,    words) {
    if (first ~ /^typedef/)
        return declared_name(last)
    split(first, words, /[ ;]/)
    if (words[2] == "{")
        return words[1] " #" count
    return (first ~ /;$/ ? "forward " : "") words[1] " " words[2]
}

function pruned_enum(body,    lines, n, i, words, kept) {
    n = split(body, lines, "\n")
    for (i = 1; i < n; i++) {
        split(lines[i], words, " ")
        if (words[1] in constant)
            kept = kept lines[i] "\n"
    }
    return kept
}

# Anonymous structs and unions dissolve into their parent: CO-RE looks through them. Bitfields become
# plain members: BPF_CORE_READ_BITFIELD does not mind, and libbpf refuses to load any other read of them.
function pruned_struct(body,    lines, n, i, depth, open, kept, inner) {
    n = split(body, lines, "\n")
    depth = 0
    for (i = 1; i < n; i++) {
        if (lines[i] ~ /^\t*(const )?(struct|union) \{$/) {
            open[++depth] = lines[i]
            kept[depth] = ""
        } else if (lines[i] ~ /^\t+\}/) {
            inner = kept[depth--]
            if (lines[i] ~ /^\t+\}( __attribute__\(\(packed\)\))?;$/) {
                inner = "\n" inner
                gsub(/\n\t/, "\n", inner)
                kept[depth] = kept[depth] substr(inner, 2)
            } else if (inner != "" && declared_name(lines[i]) in field) {
                kept[depth] = kept[depth] open[depth + 1] "\n" inner lines[i] "\n"
            }
        } else if (declared_name(lines[i]) in field) {
            sub(/: [0-9]+;$/, ";", lines[i])
            kept[depth] = kept[depth] lines[i] "\n"
        }
    }
    return kept[0]
}

function need_types_in(text, entire,    word, before, kind) {
    while (match(text, /[A-Za-z_][A-Za-z0-9_]*/)) {
        before = substr(text, 1, RSTART - 1)
        word = substr(text, RSTART, RLENGTH)
        text = substr(text, RSTART + RLENGTH)
        if (kind != "" && before ~ /^ +$/)
            need(kind " " word, entire && text !~ /^ \*/)
        else
            need(word, entire)
        kind = word ~ /^(struct|union|enum)$/ ? word : ""
    }
}

function need(key, entire,    is_enum, text) {
    if (!(key in bodies) || key in is_whole || (key in kept_body && !entire))
        return
    if (entire)
        is_whole[key]
    is_enum = heads[key] ~ /enum/
    text = entire ? "" : is_enum ? pruned_enum(bodies[key]) : pruned_struct(bodies[key])
    if (entire || is_enum && text == "")
        text = bodies[key]
    kept_body[key] = text
    if (!is_enum)
        need_types_in(text, entire)
    if (heads[key] ~ /^typedef .*;$/)
        need_types_in(substr(heads[key], 8), entire)
}

function print_declaration(head, body, tail) {
    if (tail != "" || last_tail != "")
        print ""
    printf "%s\n%s", head, body
    if (tail != "")
        print tail
    last_tail = tail
}

FILENAME ~ /\.i$/ {
    if (/^# [0-9]/)
        ours = $3 ~ /^"(\.\/)?bpf\//
    else
        note_words($0)
    next
}

first == "" && /^(struct|union|enum|typedef) / {
    first = $0
    text = ""
}
first != "" && (/^\}/ || $0 == first) {
    if (/;$/) {
        key = key_of(first, $0)
        order[++count] = key
        heads[key] = first
        bodies[key] = text
        tails[key] = $0 == first ? "" : $0
        first = ""
    }
    next
}
first != "" {
    text = text $0 "\n"
}

END {
    for (key in whole)
        need(key, 1)
    for (key in root)
        need(key, 0)
    for (key in heads)
        if (heads[key] ~ /^typedef/ && key in seen || heads[key] ~ /^enum/ && pruned_enum(bodies[key]) != "")
            need(key, 0)
    for (i = 1; i <= count; i++) {
        key = order[i]
        if (key in kept_body)
            print_declaration(heads[key], kept_body[key], tails[key])
        else if (sub(/^forward /, "", key) && key in kept_body)
            print_declaration(key ";", "", "")
    }
}
