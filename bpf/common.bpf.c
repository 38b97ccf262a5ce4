// SPDX-License-Identifier: GPL-2.0-only
/* The definitions behind the headers: what more than one subject uses. */
#include "bpf/common.bpf.h"
#include "bpf/sample.bpf.h"

const volatile bool filtering = false;
const volatile struct ev_filter filter = {};
const volatile __u32 ring_size = 4 << 20;
const volatile bool send_open = false;
const volatile bool send_events = true;
const volatile __u32 ticks_per_second = 250;

__u64 lost[EV_LOSSES] = {};
struct events_map events SEC(".maps");
struct states_map states SEC(".maps");
struct histograms_map histograms SEC(".maps");

char LICENSE[] SEC("license") = "GPL";
