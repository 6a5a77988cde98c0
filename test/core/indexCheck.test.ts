/** The stack frames that the error of an index shows, for the stack format of each engine. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { indexMessage } from '../../src/core/indexCheck';

const STACKS: Record<string, readonly [stack: string, shown: string]> = {
	'the package in Node': [
		`Error: call
    at callSite (file:///p/node_modules/wgrad/dist/node/chunk-A.js:1:2)
    at take (file:///p/node_modules/wgrad/dist/node/chunk-B.js:3:4)
    at train (file:///p/train.mjs:7:12)
    at async file:///p/train.mjs:9:1
    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)`,
		'    at train (file:///p/train.mjs:7:12)\n    at async file:///p/train.mjs:9:1',
	],
	'its sources': [
		`Error: call
    at callSite (/p/src/core/indexCheck.ts:1:2)
    at take (/p/src/ops/indexing/gather.ts:3:4)
    at train (/p/examples/train.ts:7:12)`,
		'    at train (/p/examples/train.ts:7:12)',
	],
	'Windows paths': [
		`Error: call
    at callSite (C:\\p\\wgrad\\dist\\node\\index.js:1:2)
    at train (C:\\p\\my code\\train.js:7:12)`,
		'    at train (C:\\p\\my code\\train.js:7:12)',
	],
	'Firefox and Safari': [
		`callSite@https://site/wgrad/chunk-A.js:1:2
take@https://site/wgrad/index.js:3:4
train@https://site/app.js:7:12
`,
		'train@https://site/app.js:7:12',
	],
	'a bundle of all': [
		`Error: call
    at callSite (https://site/app.js:1:2)
    at take (https://site/app.js:3:4)
    at train (https://site/app.js:7:12)`,
		`    at callSite (https://site/app.js:1:2)
    at take (https://site/app.js:3:4)
    at train (https://site/app.js:7:12)`,
	],
};

function message(stack: string): string {
	const call = new Error('call');
	call.stack = stack;
	return indexMessage({ operation: 'take', least: 0, count: 3, noun: 'index', rule: 'is out of range', call }, 5);
}

for (const [name, [stack, shown]] of Object.entries(STACKS)) {
	test(`the error shows where the operation was called: ${name}`, () =>
		assert.is(message(stack), `take: index 5 is out of range. It was called at\n${shown}`));
}

test('without a stack the error has no such lines', () => assert.is(message('Error: call'), 'take: index 5 is out of range'));

test.run();
