/* The C++ program: classes that both units describe, with a signature each where there are type units. */
#ifndef CLASSES_H
#define CLASSES_H

namespace ct {

enum class colour : unsigned char { red, green = 7 };

struct point {
	int x, y;
	int norm() const { return x * x + y * y; }
};

class shape {
public:
	shape *next;
	virtual int area(const point &at) const;
	struct edge {
		point from, to;
		shape *owner;
	} edges[2];
	union {
		long whole;
		struct {
			int low, high;
		};
	};
	colour fill : 3;

protected:
	static int count;
};

class square : public shape {
public:
	int area(const point &at) const override;
	int side;
};

}

extern "C" int ct_area(ct::shape *shapes, ct::point at);
extern "C" int ct_first(struct ct::square *square, const ct::shape::edge *edge);

#endif
