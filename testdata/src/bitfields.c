/* Bit-fields: every integer type, signs, storage boundaries, packing, enums, typedefs, 64 bits. */

struct bf_basic {
	int a : 1;
	int b : 7;
	int c : 24;
	unsigned d : 5;
	unsigned e : 27;
} bf_basic;

struct bf_types {
	_Bool flag : 1;
	char c : 3;
	signed char sc : 4;
	unsigned char uc : 5;
	short s : 9;
	unsigned short us : 11;
	int i : 17;
	unsigned u : 30;
	long l : 31;
	unsigned long ul : 29;
	long long ll : 40;
	unsigned long long ull : 63;
} bf_types;

struct bf_wide {
	unsigned long long a : 33;
	unsigned long long b : 31;
	long long whole : 64;
	long long one : 1;
} bf_wide;

struct bf_full {
	char c : 8;
	short s : 16;
	int i : 32;
} bf_full;

/* No bit-field begins before `first`; then plain members and bit-fields mix. */
struct bf_mixed {
	int plain;
	char byte;
	unsigned first : 3;
	int second;
	unsigned third : 12;
	unsigned : 0;
	unsigned fourth : 4;
	unsigned : 7;
	unsigned fifth : 9;
	void *pointer;
} bf_mixed;

struct bf_packed {
	char lead;
	unsigned a : 13;
	unsigned b : 30;
	unsigned long long c : 50;
	int plain;
	unsigned d : 3;
} __attribute__((packed)) bf_packed;

struct bf_straddle {
	unsigned a : 20;
	unsigned b : 20;
	unsigned short c : 10;
	unsigned short d : 10;
} bf_straddle;

struct bf_straddle_packed {
	unsigned a : 20;
	unsigned b : 20;
	unsigned short c : 10;
	unsigned short d : 10;
} __attribute__((packed)) bf_straddle_packed;

enum bf_enum { BF_RED, BF_GREEN, BF_BLUE };
enum bf_enum_signed { BF_MINUS = -1, BF_PLUS = 1 };
typedef unsigned bf_u32;
typedef bf_u32 bf_alias;
struct bf_typed {
	enum bf_enum color : 2;
	enum bf_enum_signed sign : 3;
	bf_u32 word : 6;
	const bf_alias fixed : 7;
	volatile int moving : 8;
} bf_typed;

union bf_union {
	unsigned low : 4;
	unsigned long long all : 64;
	unsigned plain;
	struct {
		unsigned inner_a : 3;
		unsigned inner_b : 13;
	};
} bf_union;

struct bf_nested {
	struct bf_basic inside;
	unsigned tail : 2;
	struct {
		unsigned anon_a : 1;
		unsigned anon_b : 2;
	};
} bf_nested;

#ifdef __SIZEOF_INT128__
struct bf_int128 {
	unsigned __int128 a : 70;
	__int128 b : 58;
} bf_int128;
#endif
