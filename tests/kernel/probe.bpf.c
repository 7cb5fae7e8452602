// SPDX-License-Identifier: MIT OR Apache-2.0
// Attached to a function of the module; reads types of the module and of the kernel by their BTF: every offset
// below is a wrong one, until the loader has found the right one.
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct task_struct {
	int tgid;
	char comm[16];
} __attribute__((preserve_access_index));

struct hello_question {
	int number;
	struct task_struct *asker;
} __attribute__((preserve_access_index));

// A map, not variables: to know whether a kernel has those, loaders ask it for sockets, and this one has none.
struct answer {
	int number;
	int tgid;
	char comm[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, int);
	__type(value, struct answer);
} answers SEC(".maps");

SEC("fentry/hello_ask")
int BPF_PROG(asked, struct hello_question *question)
{
	int key = 0;
	struct answer *answer = bpf_map_lookup_elem(&answers, &key);

	if (answer) {
		answer->number = question->number;
		answer->tgid = question->asker->tgid;
		bpf_probe_read_kernel_str(answer->comm, sizeof(answer->comm), question->asker->comm);
	}
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
