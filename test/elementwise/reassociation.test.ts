/**
 * WGSL lets compilers reassociate sums, and some do. This test models such a compiler on the text of the kernels: if a variable
 * is multiplied by two constants in one sum, they become one constant, rounded to float32. Argument reductions must keep their
 * digits.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { mathFunctions } from '../../shaders/math.wgsl';

const CHAIN = /\((\w+) - k \* ([\d.e-]+)\) ([-+]) k \* ([\d.e-]+)/;

function reassociated(code: string): string {
	const next = code.replace(CHAIN, (_, start, first, sign, second) => {
		const factor = Math.fround(Number(first) + (sign === '-' ? 1 : -1) * Number(second));
		return `${start} - k * ${factor}`;
	});
	return next === code ? code : reassociated(next);
}

/** A piece of WGSL that computes with `start` and `k`, as a function in float64. */
function evaluated(code: string, start: string): (x: number, k: number) => number {
	const scalar = reassociated(code)
		.replace(/vec4<[ui]32>/g, '')
		.replace(/\b(let|var)\b/g, 'var');
	const run = new Function(start, 'k', 'quadrant', 'unseen', 'vec4', scalar);
	const same = (x: number) => x;
	return (x, k) => run(x, k, k, same, same);
}

test('the reduction of angles survives a compiler that reassociates', () => {
	const [, body] = /var quadrant = [^\n]*\n(.*?)\tif \(any/s.exec(mathFunctions('sine(x)'))!;
	const rest = evaluated(`${body}return rest;`, 'a');
	for (let k = 0; k < 5216; k += 7) assert.ok(Math.abs(rest((k * Math.PI) / 2, k)) < 1e-9);
});

test('the reduction of exponents survives a compiler that reassociates', () => {
	const [, body] = /fn withoutLn2\([^\n]*\n(.*?)\}/s.exec(mathFunctions('exponential(x)'))!;
	const rest = evaluated(body!, 'x');
	for (let k = -150; k <= 128; k++) assert.ok(Math.abs(rest(k * Math.LN2, k)) < 1e-9);
});

test('NaN and infinity are not constant expressions', () => {
	const everything = mathFunctions(
		'exponential(x) logarithm(x) power(x, y) sine(x) arccosine(x) exactFmod(x, y) hypotenuse(x, y)',
	);
	assert.not.match(everything, /bitcast<f32>\((bits|0x)/);
	assert.not.match(everything, /\b(nan|infinity)\(\)/);
});
test.run();
