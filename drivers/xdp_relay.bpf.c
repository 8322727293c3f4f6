// SPDX-License-Identifier: Apache-2.0
// XDP program of profile `xdp`: UDP to a relay or link port goes to the AF_XDP socket of its queue, everything else to the kernel.
// The ranges are written into relay_ports by port_xdp.cc once the program is attached; until then all of it passes.

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define RANGES 8
#define IP_FRAGMENT 0x3fff  // more fragments, or an offset

struct port_range {
  __u16 first;
  __u16 last;  // 0: unused
};

struct {
  __uint(type, BPF_MAP_TYPE_XSKMAP);
  __uint(max_entries, 64);
  __type(key, int);
  __type(value, int);
} xsks_map SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, RANGES);
  __type(key, __u32);
  __type(value, struct port_range);
} relay_ports SEC(".maps");

static __always_inline int is_relay_port(__u16 port) {
#pragma unroll
  for (__u32 i = 0; i < RANGES; ++i) {
    const __u32 key = i;
    const struct port_range* range = bpf_map_lookup_elem(&relay_ports, &key);
    if (range && range->last != 0 && port >= range->first && port <= range->last) return 1;
  }
  return 0;
}

SEC("xdp")
int xdp_relay(struct xdp_md* ctx) {
  void* data = (void*)(long)ctx->data;
  void* end = (void*)(long)ctx->data_end;
  struct ethhdr* ethernet = data;
  if ((void*)(ethernet + 1) > end) return XDP_PASS;
  __u16 type = ethernet->h_proto;
  void* at = ethernet + 1;
  if (type == bpf_htons(ETH_P_8021Q)) {
    __u16* tag = at;
    if ((void*)(tag + 2) > end) return XDP_PASS;
    type = tag[1];
    at = tag + 2;
  }
  struct udphdr* udp;
  if (type == bpf_htons(ETH_P_IP)) {
    struct iphdr* ip = at;
    if ((void*)(ip + 1) > end || ip->protocol != IPPROTO_UDP || (ip->frag_off & bpf_htons(IP_FRAGMENT))) return XDP_PASS;
    const __u32 header = ip->ihl * 4;
    if (header < sizeof(*ip)) return XDP_PASS;
    udp = at + header;
  } else if (type == bpf_htons(ETH_P_IPV6)) {
    struct ipv6hdr* ip = at;
    if ((void*)(ip + 1) > end || ip->nexthdr != IPPROTO_UDP) return XDP_PASS;
    udp = (void*)(ip + 1);
  } else {
    return XDP_PASS;
  }
  if ((void*)(udp + 1) > end || !is_relay_port(bpf_ntohs(udp->dest))) return XDP_PASS;
  return bpf_redirect_map(&xsks_map, ctx->rx_queue_index, XDP_PASS);
}

// Only GPL-compatible programs may call some helpers; none of these is used.
char program_license[] SEC("license") = "Apache-2.0";
