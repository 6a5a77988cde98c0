#!/usr/bin/env node
/**
 * Measures the loading of a model in a process of its own: time, and the peak of the process's memory, which on the CPU device and on software
 * adapters holds the model too. Compare the modes in turn:
 *
 *     node build.mjs library && node test/pretrained/loading.mjs FOLDER read|make|state|model [--device webgpu]
 *
 * read: reads the files whole, one after another. make: makes the model with random weights. state: io.load. model: fromPretrained.
 * shards: writes FOLDER again in shards of 100 MB, into FOLDER-shards.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { init, io, memory } from 'wgrad';
import { fromPretrained, GPT2LMHeadModel, savePretrained } from 'wgrad/models';

const { values, positionals } = parseArgs({ allowPositionals: true, options: { device: { type: 'string', default: 'cpu' } } });
const [folder = '', mode = 'model'] = positionals;
await init({ device: /** @type {'cpu' | 'webgpu'} */ (values.device) });
const files = readdirSync(folder).filter((name) => /\.safetensors$/.test(name));
const whole = files.length === 1 ? files[0] : 'model.safetensors.index.json';

/** @type {Record<string, () => Promise<unknown>>} */
const modes = {
	read: async () => {
		for (const name of files) await readFile(join(folder, name));
	},
	make: async () => new GPT2LMHeadModel(JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'))),
	state: () => io.load(join(folder, String(whole))),
	model: () => fromPretrained(folder),
	shards: async () => savePretrained((await fromPretrained(folder)).model, `${folder}-shards`, { maxShardSize: '100MB' }),
};
const megabytes = () => process.resourceUsage().maxRSS / 1e3;
const before = megabytes();
const start = performance.now();
const loaded = await modes[mode]?.();
const seconds = (performance.now() - start) / 1000;
const sizes = files.map((name) => statSync(join(folder, name)).size / 1e6);
const peak = megabytes() - before;
const onDevice = values.device === 'cpu' ? 0 : (memory().gpu?.allocated ?? 0) / 1e6;
console.log(
	[
		`${mode}, ${sizes.length} files of at most ${Math.max(...sizes).toFixed(0)} MB, ${values.device}: ${seconds.toFixed(1)} s`,
		`peak ${peak.toFixed(0)} MB above the ${before.toFixed(0)} MB at the start`,
		`${onDevice.toFixed(0)} MB of it may be the device's`,
	].join(', '),
);
process.exit(loaded === null ? 1 : 0);
