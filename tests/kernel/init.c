// SPDX-License-Identifier: MIT OR Apache-2.0
// The only program of the test machine: loads the modules, attaches the probe, asks, and says what it saw.
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/reboot.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "probe.skel.h"

// As in probe.bpf.c.
struct answer {
	int number;
	int tgid;
	char comm[16];
};

static int failures;

static void say(int good, const char *what)
{
	printf("test: %s: %s\n", good ? "ok" : "FAILED", what);
	failures += !good;
}

static int module(const char *path)
{
	int file = open(path, O_RDONLY);
	int error = syscall(SYS_finit_module, file, "", 0);

	close(file);
	if (error)
		perror(path);
	return error == 0;
}

static void ask(void)
{
	struct probe_bpf *probe = probe_bpf__open_and_load();

	say(probe != NULL, "the program is loaded");
	if (!probe)
		return;
	say(probe_bpf__attach(probe) == 0, "the program is attached to the module");
	int file = open("/sys/module/hello/parameters/ask", O_WRONLY);
	say(write(file, "42", 2) == 2, "the module is asked");
	close(file);
	struct answer answer = {};
	int key = 0;
	say(bpf_map_lookup_elem(bpf_map__fd(probe->maps.answers), &key, &answer) == 0, "there is an answer");
	printf("test: number %d, tgid %d, comm %s\n", answer.number, answer.tgid, answer.comm);
	say(answer.number == 42, "a member of a struct of the module");
	say(answer.tgid == getpid(), "a member of task_struct");
	say(strcmp(answer.comm, "init") == 0, "another one");
	probe_bpf__destroy(probe);
}

int main(void)
{
	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	setvbuf(stdout, NULL, _IONBF, 0);

	struct btf *kernel = btf__load_vmlinux_btf();
	say(kernel != NULL, "the kernel has BTF");
	if (kernel) {
		printf("test: %u types\n", btf__type_cnt(kernel));
		say(btf__find_by_name_kind(kernel, "task_struct", BTF_KIND_STRUCT) > 0, "it has task_struct");
	}
	DIR *modules = opendir("/modules");
	for (struct dirent *entry; modules && (entry = readdir(modules));) {
		char path[300], btf[300];
		char *end = strstr(entry->d_name, ".ko");
		if (!end)
			continue;
		snprintf(path, sizeof(path), "/modules/%s", entry->d_name);
		say(module(path), entry->d_name);
		*end = 0;
		for (char *c = entry->d_name; *c; c++)
			*c = *c == '-' ? '_' : *c;
		snprintf(btf, sizeof(btf), "/sys/kernel/btf/%s", entry->d_name);
		say(access(btf, R_OK) == 0, btf);
	}
	ask();
	printf("test: result: %s\n", failures ? "FAILED" : "passed");
	reboot(LINUX_REBOOT_CMD_POWER_OFF);
	return 0;
}
