/* What all units of this program share. Every unit describes it anew; containers of DWARF that know units
 * of each other describe it once. */
#ifndef SHARED_H
#define SHARED_H

typedef unsigned char ct_byte;
typedef unsigned int ct_word;
typedef unsigned long long ct_long;
/* A chain of typedefs, a qualifier in the middle. */
typedef ct_long ct_ticks;
typedef const ct_ticks ct_stamp;
typedef ct_stamp ct_born;

enum ct_state { CT_FAILED = -1, CT_IDLE, CT_BUSY = 5, CT_LATER = CT_BUSY * 3 };

/* Defined in ops.c only. */
struct ct_secret;
/* Defined nowhere. */
struct ct_nowhere;
union ct_nowhere_union;

struct ct_flags {
	ct_word ready : 1, kind : 3;
	int level : 12;
	enum ct_state state : 6;
	ct_long wide : 40;
	ct_byte tail : 4;
};

/* Recursive, with unnamed unions and structs in it. */
struct ct_node {
	struct ct_node *next;
	struct ct_tree *tree;
	union {
		ct_long whole;
		struct {
			ct_word low, high;
		};
		ct_byte bytes[8];
	};
	enum ct_state state;
};

typedef int (*ct_visit)(struct ct_node *node, void *context);
typedef struct {
	int x, y;
} ct_point;

struct ct_ops {
	const char *name;
	ct_visit visit;
	int (*log)(const char *format, ...);
	struct ct_ops *(*clone)(const struct ct_ops *from, ct_point at);
};

struct ct_tree {
	struct ct_node *root;
	struct ct_tree *children[2];
	const struct ct_ops *ops;
	struct ct_secret *secret;
	struct ct_nowhere *nowhere;
	union ct_nowhere_union *nowhere_union;
	struct ct_flags flags;
	ct_point corners[3][2];
	ct_born born;
	volatile ct_word ticks;
};

/* Inlined by several units, emitted by none. */
static inline ct_long ct_sum(const struct ct_node *node)
{
	ct_long sum = 0;
	for (; node; node = node->next)
		sum += node->whole + node->state;
	return sum;
}

extern struct ct_tree ct_forest[4];
extern const struct ct_ops ct_default_ops;
extern int ct_errors;

int ct_visit_all(struct ct_tree *tree, ct_visit visit, void *context);
int ct_log(const char *format, ...);
struct ct_secret *ct_secret_of(struct ct_tree *tree, ct_point at);
ct_long ct_total(const struct ct_tree *tree, ct_born since);
ct_word ct_wander(ct_word seed);

#endif
