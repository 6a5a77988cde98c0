/** Example programs on the CPU at small sizes: results, help, and exit codes. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { assertReached, runProgram } from './programs';

test('line: four methods find slope 2 and intercept 0', () => assertReached('line', '--device', 'cpu'));

test('houses: better than least squares', () =>
	assertReached('houses', '--device', 'cpu', '--epochs', '20', '--folds', '3', '--reach', '0.8'));

test('a missed goal is reported and sets the exit code', async () => {
	const { code, output } = await runProgram('line', '--device', 'cpu', '--steps', '1');
	assert.match(output, /^must reach: .*: no$/m);
	assert.is(code, 1);
});

test('help names every option and the goal; a wrong option exits with code 2 before any computation', async () => {
	const help = await runProgram('line', '--help');
	assert.is(help.code, 0);
	for (const part of ['--steps', '--device', '--seed', 'Must reach']) assert.ok(help.output.includes(part), help.output);
	for (const options of [['--steps', 'many'], ['--steps', '0'], ['--stepz', '3'], ['--device', 'abacus'], ['extra']]) {
		const { code, output } = await runProgram('line', ...options);
		assert.is(code, 2, output);
		assert.match(output, /error: /);
	}
});

test('a program reports wrong options in one line and exits with code 2', async () => {
	for (const [name, message, ...options] of [
		['text', /^error: --text: ENOENT/m, '--text', 'none.txt', '--device', 'cpu'],
		['rows', /^error: bands of 3 rows do not divide an image of 28$/m, '--band', '3'],
	] as const) {
		const { code, output } = await runProgram(name, ...options);
		assert.match(output, message);
		assert.not.match(output, /\n\s+at /);
		assert.is(code, 2);
	}
});

test.run();
