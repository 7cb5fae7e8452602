/* Types spread over units, unit B: see units_a.c. */
#include "units.h"

struct un_opaque { int secret; struct un_shared *owner; };
union un_opaque_union { int i; float f; };
enum un_opaque_enum { UN_OPAQUE_A, UN_OPAQUE_B };
struct un_opaque un_opaque_b;
union un_opaque_union un_opaque_union_b;
enum un_opaque_enum un_opaque_enum_b;

struct un_defined_first;
struct un_defined_first *un_defined_first_b;

struct un_split { long a; int b; } un_split_b;

struct un_link_target { long other; };
struct un_link { struct un_link_target *target; int same; } un_link_b;
struct un_link_outer { struct un_link *link; struct un_link_outer *self; } un_link_outer_b;

struct un_element { int a[2]; unsigned b[2]; } un_element_b;

struct un_member_name { int right; } un_member_name_b;
struct un_member_offset { char c; int i; } __attribute__((packed)) un_member_offset_b;

union un_kind { int x; } un_kind_b;
enum un_enum_split { UN_ENUM_ONE = 2 } un_enum_split_b;
typedef long un_typedef_split;
un_typedef_split un_typedef_split_b;
struct un_typedef_user { un_typedef_split value; } un_typedef_user_b;

struct un_cycle_a;
struct un_cycle_b { struct un_cycle_a *a; struct un_cycle_b *peer; };
struct un_cycle_a { struct un_cycle_b *b; int only_a; };
struct un_cycle_b un_cycle_b;

struct un_half_cycle_a;
struct un_half_cycle_b { struct un_half_cycle_a *a; } un_half_cycle_b;

struct un_anonymous { union { struct { int x; } s; int y; }; } un_anonymous_b;

struct un_shared un_shared_b;
un_shared_ptr un_shared_ptr_b;
enum un_shared_enum un_shared_enum_b;

extern int un_function(struct un_shared *s, struct un_opaque *o);

int un_function_b(struct un_shared *s)
{
	return un_function(s, &un_opaque_b);
}
