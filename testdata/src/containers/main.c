/* Unit 4: reaches the rest, so that whoever looks at the whole program keeps it. */
#include "shared.h"

__attribute__((used)) int ct_main(int count, char **words)
{
	ct_point at = { count, words[0][0] };
	struct ct_tree *tree = &ct_forest[count & 3];
	tree->ops = &ct_default_ops;
	tree->secret = ct_secret_of(tree, at);
	tree->corners[1][0] = at;
	ct_log("%d", count);
	return ct_visit_all(tree, tree->ops->visit, words) + ct_total(tree, 9) + ct_wander(count);
}
