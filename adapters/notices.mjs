/** Keeps notices of Dawn's that mean nothing to people from their terminal, for programs of this repository. */
import { closeSync, fstatSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isatty } from 'node:tty';

/** Dawn cannot use as many dynamic offsets as some drivers offer, and says so for each adapter. wgrad uses one. */
const NOTICE = /^Warning: maxDynamic\w+PerPipelineLayout artificially reduced from \d+ to \d+ .*\n?/gm;

const STDERR = 2;

/**
 * Runs `fn`; what is written to the error stream meanwhile appears when it is done, without Dawn's notices. Dawn's native code writes them
 * itself, and no option of its turns them off, so the stream leads to a file meanwhile. Only for terminals and pipes: a file could not
 * be opened anew without writing over it. Nothing else may open files meanwhile.
 *
 * @template T
 * @param {() => Promise<T>} fn
 * @returns {Promise<T>}
 */
export async function withoutNotices(fn) {
	const saved = reopenStderr();
	if (saved === undefined) return fn();
	const folder = mkdtempSync(join(tmpdir(), 'wgrad-stderr-'));
	const file = join(folder, 'stderr');
	try {
		replaceStderr(file);
		return await fn();
	} finally {
		replaceStderr(`/proc/self/fd/${saved}`);
		closeSync(saved);
		writeSync(STDERR, readFileSync(file, 'utf8').replace(NOTICE, ''));
		rmSync(folder, { recursive: true });
	}
}

/** The error stream once more, or undefined where it cannot be had. */
function reopenStderr() {
	if (process.platform !== 'linux' || !(isatty(STDERR) || fstatSync(STDERR).isFIFO())) return undefined;
	try {
		return openSync(`/proc/self/fd/${STDERR}`, 'w');
	} catch {
		return undefined;
	}
}

/** @param {string} path */
function replaceStderr(path) {
	closeSync(STDERR);
	// The lowest number that is free.
	openSync(path, 'a');
}
