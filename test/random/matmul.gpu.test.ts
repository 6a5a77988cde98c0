import * as w from 'wgrad';
import type { Case, Draw } from './draw';
import { testRandom } from './drive';

function product(d: Draw): Case {
	const [m, k, n] = [d.size({ empty: true }), d.size({ empty: true }), d.size({ empty: true })];
	const batch = d.shape(d.int(0, 2), { elements: 6 });
	const a = d.input(d.oneIn(6) ? [k] : [...d.broadcast(batch), m, k]);
	const b = d.input(d.oneIn(6) ? [k] : [...d.broadcast(batch), k, n]);
	return d.case('matmul', [a, b], ([s, t]) => w.matmul(s!, t!));
}

function named(d: Draw): Case {
	const [m, k, n] = [d.size(), d.size({ empty: true }), d.size()];
	const batch = d.int(0, 4);
	const [alpha, beta] = [d.pick([1, 0.5, -2]), d.pick([1, 0, 0.25])];
	const bias = d.bool();
	const rows = d.shape(d.int(0, 3), { elements: 70 });
	const [a, b, c] = [d.input([batch, m, k]), d.input([batch, k, n]), d.input(d.broadcast([batch, m, n]))];
	const [vector, other, matrix] = [d.input([k]), d.input([n]), d.input([m, k])];
	const [x, weight] = [d.input([...rows, k]), d.input([n, k])];
	return d.pick<() => Case>([
		() => d.case('bmm', [a, b], ([s, t]) => w.bmm(s!, t!)),
		() => d.case('baddbmm', [c, a, b], ([r, s, t]) => w.baddbmm(r!, s!, t!, { alpha, beta }), { alpha, beta }),
		() => d.case('mv', [matrix, vector], ([s, t]) => w.mv(s!, t!)),
		() => d.case('dot', [vector, { ...vector, seed: 1000 }], ([s, t]) => w.dot(s!, t!)),
		() => d.case('outer', [vector, other], ([s, t]) => w.outer(s!, t!)),
		() => d.case('linear', bias ? [x, weight, other] : [x, weight], ([s, t, u]) => w.linear(s!, t!, u ?? null)),
		() => d.case('linear', bias ? [x, weight, other] : [x, weight], ([s, t, u]) => w.linear(s!, t!, u ?? null)),
	])();
}

/** Any assignment of letters: batch, shared or summed over, in any order. */
function einsum(d: Draw): Case {
	const letters = 'abcde'.slice(0, d.int(1, 5));
	const sizes = new Map([...letters].map((letter) => [letter, d.int(1, 5)]));
	const operands = Array.from({ length: d.int(1, 3) }, () => d.order(letters.length).slice(0, d.int(0, letters.length)));
	const terms = operands.map((dims) => dims.map((dim) => letters[dim]!).join(''));
	const used = [...new Set(terms.join(''))];
	const output = d
		.order(used.length)
		.slice(0, d.int(0, used.length))
		.map((i) => used[i])
		.join('');
	const equation = `${terms.join(',')}->${output}`;
	const inputs = terms.map((term) => d.input([...term].map((letter) => sizes.get(letter)!)));
	return d.case('einsum', inputs, (given) => w.einsum(equation, ...given), { equation });
}

testRandom('matmul', (d) => d.pick([product, product, named, named, einsum])(d), { half: true });
