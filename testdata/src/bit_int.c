/* _BitInt, clang's: all are named `_BitInt` or `unsigned _BitInt`, whatever their number of bits. */

_BitInt(17) bit_int17;
_BitInt(31) bit_int31;
_BitInt(5) bit_int5;
unsigned _BitInt(64) bit_int64;
#if __clang_major__ >= 16
_BitInt(200) bit_int200;
#endif

struct bit_int_holder {
	_BitInt(40) wide;
	_BitInt(12) field : 7;
} bit_int_holder;
