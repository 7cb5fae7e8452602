// SPDX-License-Identifier: MIT OR Apache-2.0
// A module of its own whose function a program attaches to: writing to the parameter calls it.
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/sched.h>

struct hello_question {
	struct task_struct *asker;
	unsigned long before;
	int number;
};

noinline int hello_ask(struct hello_question *question);

noinline int hello_ask(struct hello_question *question)
{
	// The compiler shall neither inline this nor guess what it returns.
	barrier();
	return READ_ONCE(question->number) < 0;
}

static int set(const char *text, const struct kernel_param *param)
{
	struct hello_question question = { .asker = current, .before = 1 };
	int error = kstrtoint(text, 0, &question.number);

	return error ? error : hello_ask(&question) ? -EINVAL : 0;
}

static const struct kernel_param_ops ops = { .set = set };
module_param_cb(ask, &ops, NULL, 0200);

MODULE_DESCRIPTION("Asked by tests");
MODULE_LICENSE("Dual MIT/GPL");
