#!/usr/bin/env node
/** The program `wgrad`. Its only command, `doctor`, examines the GPU of this machine. */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { type DeviceInfo, init, shutdown } from 'wgrad';
import { examine, formatReport } from './doctor/report';

const USAGE = `wgrad doctor [options]

Compares every variant of wgrad's kernels with the CPU reference on this machine's GPU, and measures its speed. Attach the
file that it writes to a bug report. The exit code is 1 if a kernel is wrong, and 2 if there is no GPU.

  --seconds N    time for the comparisons (default 110)
  --no-speed     leave the measurements out
  --json         print the report as JSON instead of text
  --output FILE  where to write the report (default wgrad-doctor.json)
  --help         this text`;

function readOptions() {
	try {
		const { values, positionals } = parseArgs({
			allowPositionals: true,
			options: {
				seconds: { type: 'string', default: '110' },
				'no-speed': { type: 'boolean', default: false },
				json: { type: 'boolean', default: false },
				output: { type: 'string', default: 'wgrad-doctor.json' },
				help: { type: 'boolean', default: false },
			},
		});
		const [command, ...others] = positionals;
		if (!values.help && command === undefined) throw new Error('a command is missing');
		const unknown = command === 'doctor' ? others[0] : command;
		if (unknown !== undefined) throw new Error(`unknown command '${unknown}'`);
		if (!(Number(values.seconds) > 0)) throw new Error(`--seconds ${values.seconds} must be a number above 0`);
		return values;
	} catch (error) {
		console.error(`wgrad: ${error instanceof Error ? error.message : error}; see wgrad doctor --help`);
		process.exit(2);
	}
}

async function main(): Promise<number> {
	const options = readOptions();
	if (options.help) {
		console.log(USAGE);
		return 0;
	}
	let device: DeviceInfo;
	try {
		device = await init({ device: 'webgpu' });
	} catch (error) {
		console.error(`wgrad: there is no GPU to examine. ${error instanceof Error ? error.message : error}`);
		return 2;
	}
	const show = process.stderr.isTTY === true && !options.json;
	const line = (text: string) => show && process.stderr.write(`\r\x1b[K${text.slice(0, (process.stderr.columns ?? 80) - 1)}`);
	const report = await examine(device, `Node ${process.versions.node}, ${process.platform} ${process.arch}`, {
		seconds: Number(options.seconds),
		speed: !options['no-speed'],
		onPhase: (phase) => line(`${phase} ...`),
		onProgress: (done, planned, failed) => line(`${done} of ${planned} checks${failed > 0 ? `, ${failed} failed` : ''}`),
	});
	line('');
	const json = `${JSON.stringify(report, null, '\t')}\n`;
	await writeFile(options.output, json);
	console.log(options.json ? json.trimEnd() : `${formatReport(report)}\n\nThe whole report is in ${options.output}.`);
	await shutdown();
	return report.correctness.failures.length > 0 ? 1 : 0;
}

process.exitCode = await main();
