/* The same name, `char`, with the other sign: this unit is compiled with the opposite of the
 * target's default (see make.sh), so a program holds a signed and an unsigned `char`. */

char uchar_char;
struct uchar_holder {
	char c;
	char array[3];
	const char *string;
} uchar_holder;
