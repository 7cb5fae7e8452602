/* Enumerations: sign, width, holes, declarations without values, no name. */

enum en_plain { EN_ZERO, EN_ONE, EN_TWO } en_plain;
enum en_negative { EN_MINUS_ONE = -1, EN_NIL, EN_PLUS = 7 } en_negative;
enum en_int_min { EN_INT_MIN = -2147483647 - 1, EN_INT_MAX = 2147483647 } en_int_min;
enum en_uint_max { EN_SMALL = 1, EN_UINT_MAX = 0xffffffffu } en_uint_max;
enum en_big { EN_BIG_LOW = 3, EN_BIG = 0x100000000ull } en_big;
enum en_big_max { EN_BIG_MAX = 0xffffffffffffffffull } en_big_max;
enum en_big_negative { EN_BIG_MINUS = -0x100000000ll, EN_BIG_ZERO = 0 } en_big_negative;
enum en_big_min { EN_BIG_MIN = -0x7fffffffffffffffll - 1, EN_BIG_TOP = 0x7fffffffffffffffll } en_big_min;
enum en_single { EN_SINGLE = 42 } en_single;
enum en_equal { EN_FIRST = 5, EN_AGAIN = 5, EN_LAST = 4 } en_equal;
enum en_byte { EN_BYTE_A = 1, EN_BYTE_B = 200 } __attribute__((packed)) en_byte;
enum en_byte_signed { EN_SBYTE_A = -2, EN_SBYTE_B = 100 } __attribute__((packed)) en_byte_signed;
enum en_half { EN_HALF = 40000 } __attribute__((packed)) en_half;
enum { EN_ANON_A, EN_ANON_B = 10 } en_anonymous;
enum { EN_ANON_C = 1ull << 40 } en_anonymous_big;
typedef enum { EN_TYPEDEF_A } en_typedef_t;
en_typedef_t en_typedef;

/* Declared, never defined here. */
enum en_forward;
enum en_forward *en_forward;

/* Declared first, defined later. */
enum en_late;
enum en_late *en_late_pointer;
enum en_late { EN_LATE_A, EN_LATE_B };
enum en_late en_late;

struct en_holder {
	enum en_inner { EN_INNER_A, EN_INNER_B } inner;
	enum { EN_INNER_ANON } anonymous;
	enum en_big wide;
	const enum en_plain fixed;
} en_holder;
