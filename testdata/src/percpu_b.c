/* Per-CPU variables, second unit: the definitions, and static names that the first unit has too. */
#define percpu __attribute__((section(".data..percpu")))
#define used __attribute__((used))

struct pc_state {
	long count;
	struct pc_state *next;
	unsigned flag : 1;
};

extern percpu int pc_other;
percpu int pc_other = 100;
percpu struct pc_state pc_other_state = { 101 };
static percpu used long pc_static = 102;
percpu typeof(pc_other) *pc_typeof = &pc_other;

/* Weak in the first unit, strong here: two DIEs with one address. */
percpu int pc_weak = 103;
