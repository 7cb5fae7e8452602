/* What both halves of the functions fixture share. */
#define noinline __attribute__((noinline))
#define barrier(x) __asm__ volatile("" : : "r"(x) : "memory")

struct fn_point {
	int x, y;
};

struct fn_large {
	long words[5];
	int tail;
};

/* Packed for real: `wide` lies at an odd offset. */
struct fn_packed {
	char lead;
	int wide;
} __attribute__((packed));

union fn_union_large {
	long words[3];
	char bytes[24];
};

static inline int dup_inline(int x)
{
	return x * 3 + 1;
}
