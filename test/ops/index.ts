/** All families' entries. */
import { attention } from './attention';
import { ofBytes } from './bytes';
import { conv } from './conv';
import type { OpEntry } from './database';
import { elementwise } from './elementwise';
import { embedding } from './embedding';
import { everyday } from './everyday';
import { further } from './further';
import { indexing } from './indexing';
import { ofInt8 } from './int8';
import { layout } from './layout';
import { linalg } from './linalg';
import { loss } from './loss';
import { matmul } from './matmul';
import { norm } from './norm';
import { pool } from './pool';
import { quantized } from './quantized';
import { random } from './random';
import { reduce } from './reduce';
import { rnn } from './rnn';
import { sample } from './sample';
import { softmax } from './softmax';
import { spectra } from './spectra';

export const families = {
	elementwise: [...elementwise, ...further.elementwise, ...ofBytes.elementwise, ...ofInt8.elementwise, ...everyday.elementwise],
	reduce: [...reduce, ...further.reduce, ...ofBytes.reduce, ...ofInt8.reduce, ...everyday.reduce],
	matmul: [...matmul, ...further.matmul, ...everyday.matmul, ...spectra, ...linalg],
	conv,
	pool,
	sample,
	softmax,
	norm: [...norm, ...everyday.norm],
	attention,
	embedding,
	indexing: [...indexing, ...further.indexing, ...ofBytes.indexing, ...ofInt8.indexing, ...everyday.indexing],
	layout: [...layout, ...further.layout, ...ofBytes.layout, ...ofInt8.layout, ...everyday.layout],
	quantized,
	random: [...random, ...everyday.random],
	rnn,
	loss,
} as const satisfies Record<string, readonly OpEntry[]>;

export const entries: readonly OpEntry[] = Object.values(families).flat();
