/* Unit 1: uses most of what is shared, by pointers and by value. */
#include "shared.h"

/* One name, another definition in tree.c; each has a user that means its own. */
struct ct_private { int a; struct ct_node *node; };
struct ct_list_state { struct ct_private *mine; struct ct_private here; };

static struct ct_list_state list_state;
static ct_stamp list_started = 7;
struct ct_tree ct_forest[4];

/* One name and one prototype in two units. */
static __attribute__((noinline)) int same_helper(struct ct_node *node)
{
	return node->low + list_state.here.a;
}

/* One name, two prototypes. */
static __attribute__((noinline)) int other_helper(struct ct_list_state *state)
{
	return state->mine->a;
}

/* Small: link-time optimisation inlines it into other units. */
int ct_visit_all(struct ct_tree *tree, ct_visit visit, void *context)
{
	int result = 0;
	for (struct ct_node *node = tree->root; node; node = node->next)
		result |= visit(node, context);
	return result;
}

/* What the last argument is is the same for all callers: compilers make clones of it. */
static __attribute__((noinline)) int scaled(struct ct_node *node, int scale, int unused)
{
	return same_helper(node) * scale;
}

__attribute__((noinline)) ct_long ct_total(const struct ct_tree *tree, ct_born since)
{
	ct_long total = ct_sum(tree->root) + since + list_started;
	total += scaled(tree->root, 3, 0) + scaled(tree->root->next, 3, 1);
	list_state.here.a = other_helper(&list_state);
	return total;
}
