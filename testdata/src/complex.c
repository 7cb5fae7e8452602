/* _Complex: base types with DW_ATE_complex_float, for which BTF has no encoding. */

_Complex float complex_float;
_Complex double complex_double;
_Complex long double complex_ldouble;
_Complex int complex_int;

struct complex_holder {
	_Complex float member;
	int after;
} complex_holder;
