/* Types spread over units, unit A. Together: forward declarations that meet their definition,
 * and names that have several definitions. */
#include "units.h"

/* Declared here, defined in B: one struct in the end. */
struct un_opaque;
union un_opaque_union;
enum un_opaque_enum;
struct un_opaque *un_opaque_a;
union un_opaque_union *un_opaque_union_a;
enum un_opaque_enum *un_opaque_enum_a;

/* Defined here, declared in B. */
struct un_defined_first { long value; } un_defined_first_a;

/* One name, two definitions (A and B), one declaration (C): C's stays a declaration. */
struct un_split { int a; } un_split_a;

/* A chain that leads to a split struct: it is split itself, as far as by pointers of pointers. */
struct un_link_target { int a; int b; };
struct un_link { struct un_link_target *target; int same; } un_link_a;
struct un_link_outer { struct un_link *link; struct un_link_outer *self; } un_link_outer_a;

/* The definitions differ in the element type of the second array only. */
struct un_element { int a[2]; int b[2]; } un_element_a;

/* They differ in one member's name, offset, size. */
struct un_member_name { int left; } un_member_name_a;
struct un_member_offset { char c; int i; } un_member_offset_a;

/* One name, two kinds. */
struct un_kind { int x; } un_kind_a;
enum un_enum_split { UN_ENUM_ONE = 1 } un_enum_split_a;
typedef int un_typedef_split;
un_typedef_split un_typedef_split_a;
struct un_typedef_user { un_typedef_split value; } un_typedef_user_a;

/* Cycles: equal in A and B, though seen from different ends. */
struct un_cycle_b;
struct un_cycle_a { struct un_cycle_b *b; int only_a; };
struct un_cycle_b { struct un_cycle_a *a; struct un_cycle_b *peer; };
struct un_cycle_a un_cycle_a;

/* A cycle of which one part is only declared here. */
struct un_half_cycle_b;
struct un_half_cycle_a { struct un_half_cycle_b *b; } un_half_cycle_a;

/* Anonymous in anonymous, equal in both. */
struct un_anonymous { union { struct { int x; } s; int y; }; } un_anonymous_a;

struct un_shared un_shared_a;
un_shared_ptr un_shared_ptr_a;
enum un_shared_enum un_shared_enum_a;

int un_function(struct un_shared *s, struct un_opaque *o)
{
	return s->id;
}

/* The same name in different functions of one unit: three definitions beside one of file scope. */
struct un_scoped { char file_scope; } un_scoped;

int un_scope_one(int n)
{
	struct un_scoped { int one; } v = { n };
	__asm__ volatile("" : : "r"(&v) : "memory");
	return v.one;
}

int un_scope_two(int n)
{
	struct un_scoped { int one; int two; } v = { n, n };
	__asm__ volatile("" : : "r"(&v) : "memory");
	{
		struct un_scoped { long three; } w = { n };
		__asm__ volatile("" : : "r"(&w) : "memory");
	}
	return v.two;
}

/* Equal to un_scope_one's: merges with it. */
int un_scope_equal(int n)
{
	struct un_scoped { int one; } v = { n + 1 };
	__asm__ volatile("" : : "r"(&v) : "memory");
	return v.one;
}
