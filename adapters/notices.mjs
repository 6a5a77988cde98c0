/** Hides irrelevant notices of Dawn from the terminal, for programs of this repository. */
import { closeSync, fstatSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isatty } from 'node:tty';

/** Dawn supports fewer dynamic offsets than some drivers and warns about each adapter. wgrad uses one offset. */
const NOTICE = /^Warning: maxDynamic\w+PerPipelineLayout artificially reduced from \d+ to \d+ .*\n?/gm;

const STDERR = 2;

/**
 * Runs `fn` and afterwards prints what was written to the error stream, without Dawn's notices. Dawn's native code writes them directly and
 * has no option to disable them, so this redirects the stream to a temporary file. Works for terminals and pipes only: reopening a file
 * would overwrite it. Nothing else may open files while `fn` runs.
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

/** Reopens the error stream; undefined if that is impossible. */
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
	// Takes the lowest free descriptor.
	openSync(path, 'a');
}
