// @ts-check
/** Generates the reader and writer of ONNX's messages, src/formats/onnx/schema.ts, from onnx.proto beside it: `npm run onnx-schema`. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

// Fetched when it runs, because it brings many packages and is rarely needed.
const CLI = 'protobufjs-cli@2.7.1';

const folder = fileURLToPath(new URL('src/formats/onnx/', import.meta.url));
const omitted = ['verify', 'convert', 'delimited', 'typeurl', 'service', 'create', 'comments'].map((part) => `--no-${part}`);
const target = [
	'--target',
	'static-module',
	'--wrap',
	'esm',
	'--es6',
	'--root',
	'wgrad',
	'--dependency',
	'protobufjs/minimal.js',
];
const file = `${folder}schema.ts`;
const command = [
	'--yes',
	'--package',
	CLI,
	'pbjs',
	...target,
	...omitted,
	'--force-number',
	'--out',
	file,
	`${folder}onnx.proto`,
];
execFileSync('npx', command, { stdio: 'inherit' });

const code = readFileSync(file, 'utf8')
	.replace(/^\/\*eslint-disable.*\n/, '')
	// Numbers everywhere, also where the package `long` is installed.
	.replaceAll('$util.Long ? $util.Long.fromBits(0,0,false) : 0', '0');
writeFileSync(file, `// @ts-nocheck\n// Generated from onnx.proto by \`npm run onnx-schema\`. Do not edit.\n${code}`);
