/* Every base type C knows: integers of all widths and signs, characters, bool, floats.
 * What is not encodable by every encoder (_Atomic, _Complex) has a file of its own. */

_Bool base_bool;
char base_char;
signed char base_schar;
unsigned char base_uchar;
short base_short;
unsigned short base_ushort;
int base_int;
unsigned int base_uint;
long base_long;
unsigned long base_ulong;
long long base_llong;
unsigned long long base_ullong;
float base_float;
double base_double;
long double base_ldouble;

typedef __WCHAR_TYPE__ base_wchar_t;
typedef __CHAR16_TYPE__ base_char16_t;
typedef __CHAR32_TYPE__ base_char32_t;
typedef __SIZE_TYPE__ base_size_t;
typedef __PTRDIFF_TYPE__ base_ptrdiff_t;
base_wchar_t base_wchar;
base_char16_t base_char16;
base_char32_t base_char32;
base_size_t base_size;
base_ptrdiff_t base_ptrdiff;

#ifdef __SIZEOF_INT128__
__int128 base_int128;
unsigned __int128 base_uint128;
#endif

/* Widths without a C spelling that all compilers share. */
int base_mode_qi __attribute__((mode(QI)));
unsigned base_mode_di __attribute__((mode(DI)));

#if defined(__x86_64__) && !defined(__clang__)
_Float128 base_float128;
_Float64x base_float64x;
_Decimal32 base_decimal32;
_Decimal64 base_decimal64;
_Decimal128 base_decimal128;
#endif
