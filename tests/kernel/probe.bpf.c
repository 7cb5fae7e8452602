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

int number, tgid;
char comm[16];

SEC("fentry/hello_ask")
int BPF_PROG(asked, struct hello_question *question)
{
	number = question->number;
	tgid = question->asker->tgid;
	bpf_probe_read_kernel_str(comm, sizeof(comm), question->asker->comm);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
