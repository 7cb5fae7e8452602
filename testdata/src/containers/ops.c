/* Unit 3: defines what others only declare; function pointers and variable arguments. */
#include "shared.h"

struct ct_secret {
	struct ct_secret *older;
	int (*compare)(const struct ct_secret *, const struct ct_secret *);
	struct ct_tree *tree;
	ct_point at;
	enum { CT_PLAIN, CT_SALTED } how;
};

static struct ct_secret secrets[8];

__attribute__((noinline)) int ct_log(const char *format, ...)
{
	__builtin_va_list arguments;
	__builtin_va_start(arguments, format);
	int first = __builtin_va_arg(arguments, int);
	__builtin_va_end(arguments);
	return first + ct_errors++;
}

static int visit_default(struct ct_node *node, void *context)
{
	return ct_log("%d", node->state) + (context != 0);
}

static struct ct_ops *clone_default(const struct ct_ops *from, ct_point at)
{
	return at.x > at.y ? (struct ct_ops *)from : 0;
}

__attribute__((noinline)) struct ct_secret *ct_secret_of(struct ct_tree *tree, ct_point at)
{
	struct ct_secret *secret = tree->secret ? tree->secret : &secrets[at.x & 7];
	secret->at = at;
	secret->tree = tree;
	secret->how = CT_SALTED;
	return secret;
}

const struct ct_ops ct_default_ops = { "default", visit_default, ct_log, clone_default };
