/* Sets of kernel functions for BPF, in the layout of a kernel's .BTF_ids section.
 *
 * A set of pairs is a symbol that spans 32-bit words: count, set flags, then an id and flags for each
 * member. Before ids are resolved all counts and ids are 0, and every member's place is marked by a
 * symbol that says kind and name. A plain set has a count and ids, no flags. */

#define ids_begin ".pushsection .BTF_ids,\"a\"\n\t.balign 4\n"
#define ids_end "\n\t.popsection\n"

#define set_begin(name, count, flags) \
	__asm__(ids_begin "__BTF_ID__set8__" #name ":\n\t.type __BTF_ID__set8__" #name ", %object\n\t" \
		".4byte " #count ", " #flags ids_end)
#define set_member(kind, name, id, flags) \
	__asm__(ids_begin "__BTF_ID__" #kind "__" #name "__" #id ":\n\t" \
		".type __BTF_ID__" #kind "__" #name "__" #id ", %object\n\t" \
		".size __BTF_ID__" #kind "__" #name "__" #id ", 4\n\t.4byte 0, " #flags ids_end)
#define set_end(name) \
	__asm__(ids_begin ".size __BTF_ID__set8__" #name ", . - __BTF_ID__set8__" #name ids_end)

#define plain_set_begin(name) \
	__asm__(ids_begin "__BTF_ID__set__" #name ":\n\t.type __BTF_ID__set__" #name ", %object\n\t.4byte 0" ids_end)
#define plain_member(kind, name, id) \
	__asm__(ids_begin "__BTF_ID__" #kind "__" #name "__" #id ":\n\t" \
		".type __BTF_ID__" #kind "__" #name "__" #id ", %object\n\t" \
		".size __BTF_ID__" #kind "__" #name "__" #id ", 4\n\t.4byte 0" ids_end)
#define plain_set_end(name) \
	__asm__(ids_begin ".size __BTF_ID__set__" #name ", . - __BTF_ID__set__" #name ids_end)

/* Flags of a set: bit 0, these are kfuncs. Flags of a member: 0x1 acquire, 0x2 release,
 * 0x1000 fast call, 0x2000 returns, 0x4000 first, 0x8000 second argument is an arena pointer. */

#define kfunc __attribute__((noinline, used))

struct kf_object {
	int refs;
	struct kf_object *next;
};

kfunc struct kf_object *kf_acquire(int id)
{
	return (struct kf_object *)(long)id;
}

kfunc void kf_release(struct kf_object *o)
{
	o->refs--;
}

kfunc int kf_fast(int n)
{
	return n + 1;
}

kfunc void *kf_arena(void *base, void *second, int n)
{
	return (char *)base + n + (long)second;
}

kfunc int kf__with__bars(int n)
{
	return n + 2;
}

kfunc int kf_in_two_sets(int n)
{
	return n + 3;
}

kfunc int kf_in_plain_set8(int n)
{
	return n + 4;
}

kfunc int kf_in_plain_set(int n)
{
	return n + 5;
}

kfunc int kf_alone(int n)
{
	return n + 6;
}

kfunc int kf_not_listed(int n)
{
	return n + 7;
}

static kfunc int kf_static(int n)
{
	return n + 8;
}

/* A reference outside of any set. */
plain_member(struct, kf_object, 1);

/* Unresolved, as it comes out of a compiler: the count is 0. */
set_begin(kf_first, 0, 1);
set_member(func, kf_acquire, 2, 0x1);
set_member(func, kf_release, 3, 0x2);
set_member(func, kf__with__bars, 4, 0);
set_member(func, kf_in_two_sets, 5, 0);
set_member(func, kf_static, 6, 0);
set_member(func, kf_does_not_exist, 7, 0);
set_end(kf_first);

/* A count that is filled in, a fast call, arena pointers, one member that another set has too. */
set_begin(kf_second, 3, 1);
set_member(func, kf_fast, 8, 0x1000);
set_member(func, kf_arena, 9, 0xe000);
set_member(func, kf_in_two_sets, 10, 0);
set_end(kf_second);

/* Pairs, but no kfuncs: flag bit 0 is not set. */
set_begin(kf_third, 0, 0);
set_member(func, kf_in_plain_set8, 11, 0x1000);
set_end(kf_third);

/* A kfunc set without members. */
set_begin(kf_empty, 0, 1);
set_end(kf_empty);

plain_set_begin(kf_plain);
plain_member(func, kf_in_plain_set, 12);
plain_member(func, kf_fast, 13);
plain_set_end(kf_plain);

/* A single function, in no set. */
plain_member(func, kf_alone, 14);
