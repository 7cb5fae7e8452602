/* Types spread over units, unit C: declarations only, where A and B have definitions that differ. */
#include "units.h"

struct un_split;
struct un_split *un_split_c;

/* The target is declared only, so this link agrees with A's and with B's. */
struct un_link_target;
struct un_link { struct un_link_target *target; int same; } un_link_c;

/* Only declared, as a union and as a struct; nobody's definition fits the second kind alone. */
union un_kind;
union un_kind *un_kind_c;

/* Never defined anywhere. */
struct un_never;
struct un_never *un_never_c;

struct un_shared un_shared_c;

/* A third definition, equal to A's: merges with it. */
struct un_element { int a[2]; int b[2]; } un_element_c;
