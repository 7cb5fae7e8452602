/* Unit 2: the same names with other meanings. */
#include "shared.h"

struct ct_private { const char *text; ct_long n; struct ct_private *up; };
struct ct_tree_state { struct ct_private *mine; union { struct ct_private last; ct_byte raw[64]; }; };

/* Known to this unit only, and only by a pointer from within a function. */
struct ct_local_only { struct ct_local_only *self; struct { short s; } inner; };

static struct ct_tree_state tree_state;
static struct ct_flags tree_flags[2];
int ct_errors;

static __attribute__((noinline)) int same_helper(struct ct_node *node)
{
	return node->high + tree_state.last.n;
}

static __attribute__((noinline)) long other_helper(const char *text, struct ct_tree_state *state)
{
	return text[0] + state->mine->n;
}

static int visit_node(struct ct_node *node, void *context)
{
	struct ct_local_only *local = context;
	return same_helper(node) + local->self->inner.s;
}

/* Recursive, so that it cannot vanish. */
__attribute__((noinline)) ct_word ct_wander(ct_word seed)
{
	struct ct_tree *tree = &ct_forest[seed & 3];
	if (seed > 1000)
		return other_helper(tree->ops->name, &tree_state);
	tree_flags[0].level += ct_visit_all(tree, visit_node, tree);
	return ct_wander(seed * 3 + 1) + ct_sum(tree->root) + tree_flags[1].wide;
}
