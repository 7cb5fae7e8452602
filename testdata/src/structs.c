/* Structs and unions: anonymous, empty, packed, aligned, only declared, recursive. */

struct st_plain {
	char a;
	int b;
	short c;
	long long d;
} st_plain;

struct st_empty { } st_empty;
union st_union_empty { } st_union_empty;

union st_union {
	int i;
	float f;
	char bytes[8];
} st_union;

struct st_packed {
	char a;
	int b;
	long long c;
} __attribute__((packed)) st_packed;

struct st_packed_aligned {
	char a;
	int b;
} __attribute__((packed, aligned(4))) st_packed_aligned;

struct st_aligned {
	int a;
	int b __attribute__((aligned(64)));
} __attribute__((aligned(128))) st_aligned;

/* Anonymous members three levels deep, struct in union in struct. */
struct st_anonymous {
	int before;
	union {
		struct {
			int x;
			struct {
				char deep_a;
				char deep_b;
			};
		};
		long long both;
	};
	struct {
		int named_member;
	} named;
	int after;
} st_anonymous;

/* Two anonymous structs of equal content, and one that differs in a name only. */
struct { int x; int y; } st_anon_first;
struct { int x; int y; } st_anon_second;
struct { int x; int z; } st_anon_third;

struct st_declared_only;
union st_union_declared_only;
struct st_declared_only *st_declared_only;
union st_union_declared_only *st_union_declared_only;

struct st_list {
	struct st_list *next, **pprev;
	const struct st_list *const_next;
} st_list;

struct st_husband;
struct st_wife {
	struct st_husband *husband;
	int age;
};
struct st_husband {
	struct st_wife *wife;
	struct st_wife mother[2];
	void (*speak)(struct st_husband *self, struct st_wife *to);
} st_husband;

struct st_ring_a { struct st_ring_b *b; };
struct st_ring_b { struct st_ring_c *c; };
struct st_ring_c { struct st_ring_a *a; };
struct st_ring_a st_ring;

/* A struct known only from inside another one. */
struct st_outer {
	struct st_inner {
		int i;
		enum st_inner_enum { ST_IN_A, ST_IN_B } e;
	} inner;
	union st_inner_union {
		int u;
	} *pointer;
} st_outer;

/* One tag, two kinds of name space: struct and typedef and variable. */
typedef long st_names;
struct st_names_holder {
	st_names st_names;
} st_names_holder;

/* Types that only a function's body knows; both are named st_local. */
int st_local_first(int n)
{
	struct st_local { int a; int b; } l = { n, 1 };
	__asm__ volatile("" : : "r"(&l) : "memory");
	return l.a;
}

long st_local_second(long n)
{
	struct st_local { long only; } l = { n };
	{
		union st_local_in_block { long u; char c; } m = { n };
		__asm__ volatile("" : : "r"(&m) : "memory");
	}
	__asm__ volatile("" : : "r"(&l) : "memory");
	return l.only;
}
