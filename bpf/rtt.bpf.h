/* SPDX-License-Identifier: GPL-2.0-only */
/* The RTT samples of a connection: the first few as they are, more in a log-linear histogram. */
#ifndef BPF_RTT_BPF_H
#define BPF_RTT_BPF_H

#include "bpf/common.bpf.h"

#define LINEAR_LIMIT 16 /* below: one bucket per value; above: 8 per power of two */

static __always_inline __u32 log2_floor(__u32 value)
{
	__u32 log = 0;

	if (value >> 16) {
		value >>= 16;
		log += 16;
	}
	if (value >> 8) {
		value >>= 8;
		log += 8;
	}
	if (value >> 4) {
		value >>= 4;
		log += 4;
	}
	if (value >> 2) {
		value >>= 2;
		log += 2;
	}
	return log + (value >> 1);
}

static __always_inline __u32 rtt_bucket(__u32 us)
{
	__u32 shift;

	if (us < LINEAR_LIMIT)
		return us;
	if (us >= EV_RTT_LIMIT)
		return EV_RTT_BUCKETS - 1;
	shift = log2_floor(us) - 3;
	return (shift << 3) + (us >> shift);
}

static __always_inline void count_rtt(struct rtt_histogram *histogram, __u32 us)
{
	__u32 bucket = rtt_bucket(us);

	barrier_var(bucket); /* the compiler knows the bound and would drop the check the verifier
				needs */
	if (bucket < EV_RTT_BUCKETS)
		histogram->buckets[bucket]++;
	histogram->samples++;
}

/* conn_state counts only until there is a histogram. */
static __always_inline __u32 rtt_samples(struct sock *sk, const struct conn_state *state)
{
	struct rtt_histogram *histogram;

	if (state->rtt_samples <= EV_FIRST_RTTS)
		return state->rtt_samples;
	histogram = bpf_sk_storage_get(&histograms, sk, 0, 0);
	return histogram ? histogram->samples : state->rtt_samples;
}

/* sk: whatever pointer the calling program type may give to bpf_sk_storage_get. A macro, since the
 * verifier knows two kinds of them.
 */
#define record_rtt(sk, state, us)                                                                  \
	({                                                                                         \
		struct conn_state *state_ = (state);                                               \
		__u32 us_ = (us), n_ = state_->rtt_samples;                                        \
		if (n_ < EV_FIRST_RTTS) {                                                          \
			state_->first_rtts[n_ & (EV_FIRST_RTTS - 1)] = us_;                        \
			state_->rtt_samples++;                                                     \
		} else {                                                                           \
			struct rtt_histogram *h_ = bpf_sk_storage_get(                             \
				&histograms, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);                  \
			if (!h_) {                                                                 \
				count_loss(EV_LOST_HISTOGRAM);                                     \
			} else {                                                                   \
				if (n_ == EV_FIRST_RTTS) {                                         \
					for (int i_ = 0; i_ < EV_FIRST_RTTS; i_++)                 \
						count_rtt(h_, state_->first_rtts[i_]);             \
					h_->deep = !!(state_->want & EV_WANT_DEEP);                \
					state_->rtt_samples++;                                     \
				}                                                                  \
				count_rtt(h_, us_);                                                \
			}                                                                          \
		}                                                                                  \
	})

/* Sends the histogram of a connection that has one; counts a loss when there is no room. */
static __always_inline void send_histogram(struct sock *sk, const struct conn_state *state,
					   enum ev_loss on_loss)
{
	struct rtt_histogram *histogram;
	struct ev_histogram *e;

	if (state->rtt_samples <= EV_FIRST_RTTS)
		return;
	histogram = bpf_sk_storage_get(&histograms, sk, 0, 0);
	if (!histogram)
		return;
	e = event_begin(on_loss, EV_HISTOGRAM, sizeof(*e));
	if (!e)
		return;
	e->cookie = bpf_get_socket_cookie(sk);
	e->samples = histogram->samples;
	e->pad = 0;
	if (bpf_probe_read_kernel(e->buckets, sizeof(e->buckets), histogram->buckets))
		__builtin_memset(e->buckets, 0, sizeof(e->buckets));
	event_submit(e);
}

#endif
