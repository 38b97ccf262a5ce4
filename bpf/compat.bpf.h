/* SPDX-License-Identifier: GPL-2.0-only */
/* What differs between kernels and CO-RE does not hide. Each entry says since when, so that it can
 * go when the older kernel does.
 */
#ifndef BPF_COMPAT_BPF_H
#define BPF_COMPAT_BPF_H

/* Set by user space from the running kernel's BTF: reading an argument that a tracepoint does not
 * have is an error of the verifier, so each such read hides behind one of these.
 */
extern const volatile bool kfree_skb_has_socket;     /* 6.11: rx_sk */
extern const volatile bool send_reset_has_reason;    /* 6.10: enum sk_rst_reason */
extern const volatile bool retransmit_skb_has_error; /* 6.18: before, only successes were traced */

/* The values that SKB_CONSUMED had when our header was made may have moved; 6.1 has none. */
static __always_inline __u32 last_good_skb_reason(void)
{
	if (bpf_core_enum_value_exists(enum skb_drop_reason, SKB_CONSUMED))
		return bpf_core_enum_value(enum skb_drop_reason, SKB_CONSUMED);
	return bpf_core_enum_value(enum skb_drop_reason, SKB_NOT_DROPPED_YET);
}

#endif
