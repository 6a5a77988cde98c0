/** The examples' server, with requests that no browser makes. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { serve } from '../../examples/serve.mjs';

const SECRET = 'a file outside of the folder';
const BIG = 50_000_000;
const POSIX = process.platform !== 'win32';

interface Answer {
	readonly status: number | undefined;
	readonly headers: IncomingMessage['headers'];
	readonly body: string;
}

const test = suite<{ root: string; server: Awaited<ReturnType<typeof serve>> }>('the server of the examples');

test.before(async (context) => {
	context.root = mkdtempSync(join(tmpdir(), 'wgrad-serve-'));
	const folder = join(context.root, 'served');
	mkdirSync(join(folder, 'page'), { recursive: true });
	mkdirSync(join(folder, 'odd/index.html'), { recursive: true });
	mkdirSync(join(context.root, 'served-too'));
	writeFileSync(join(context.root, 'secret.txt'), SECRET);
	writeFileSync(join(context.root, 'served-too/secret.txt'), SECRET);
	writeFileSync(join(folder, 'page/index.html'), 'the page');
	writeFileSync(join(folder, 'ten.txt'), '0123456789');
	writeFileSync(join(folder, 'empty.txt'), '');
	writeFileSync(join(folder, 'big.bin'), Buffer.alloc(BIG));
	if (POSIX) {
		symlinkSync('../secret.txt', join(folder, 'link.txt'));
		symlinkSync(join(context.root, 'served-too'), join(folder, 'link'));
		symlinkSync('page', join(folder, 'linked page'));
		execFileSync('mkfifo', [join(folder, 'pipe')]);
	}
	context.server = await serve(folder);
});
test.after(({ root, server }) => {
	server.close();
	rmSync(root, { recursive: true, force: true });
});

/** Sends a path unchanged; fetch() would normalise it. */
function ask(url: string, path: string, { method = 'GET', range }: { method?: string; range?: string } = {}): Promise<Answer> {
	return new Promise((resolve, reject) => {
		const headers = range === undefined ? {} : { range };
		const sent = request({ port: new URL(url).port, path, method, headers, agent: false }, (answer) => {
			const parts: Buffer[] = [];
			answer.on('data', (part: Buffer) => parts.push(part));
			answer.on('error', reject);
			answer.on('end', () =>
				resolve({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(parts).toString() }),
			);
		});
		sent.on('error', reject);
		sent.end();
	});
}

test('files, folders and missing paths', async ({ server: { url } }) => {
	const page = await ask(url, '/page/');
	assert.equal([page.status, page.body, page.headers['content-type']], [200, 'the page', 'text/html; charset=utf-8']);
	const moved = await ask(url, '/page?a=1');
	assert.equal([moved.status, moved.headers.location], [301, '/page/?a=1']);
	assert.equal((await ask(url, '/empty.txt')).body, '');
	for (const path of ['/none', '/none/', '/ten.txt/x', '/%', '/%00', '/a\\b'])
		assert.is((await ask(url, path)).status, 404, path);
});

test('no path and no link leads outside the folder', async ({ root, server: { url } }) => {
	const ups = ['..', '%2e%2e', '.%2e', '%2E.', '..%2f..', '..%5c', '%252e%252e', '....', '..;', '..%00'];
	const ends = ['secret.txt', 'served-too/secret.txt', '../secret.txt', '%2fsecret.txt', '/secret.txt'];
	const paths = ups.flatMap((up) => ends.flatMap((end) => [`/${up}/${end}`, `/page/${up}/${up}/${end}`, `//${up}/${end}`]));
	paths.push(
		join(root, 'secret.txt'),
		`/${join(root, 'secret.txt')}`,
		`file://${join(root, 'secret.txt')}`,
		'/link.txt',
		'/link/',
		'/link',
	);
	paths.push('/link/secret.txt', '/page/../link/secret.txt');
	for (const path of paths) {
		const { status, body } = await ask(url, path);
		assert.is(status, 404, path);
		assert.not(body.includes(SECRET), path);
	}
	if (POSIX) assert.is((await ask(url, '/linked%20page/')).body, 'the page');
});

test('methods other than GET and HEAD', async ({ server: { url } }) => {
	for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'TRACE']) {
		const { status, headers } = await ask(url, '/ten.txt', { method });
		assert.equal([status, headers.allow], [405, 'GET, HEAD'], method);
	}
	const head = await ask(url, '/ten.txt', { method: 'HEAD' });
	assert.equal([head.status, head.body, head.headers['content-length']], [200, '', '10']);
});

test('ranges', async ({ server: { url } }) => {
	for (const [range, body, place] of [
		['bytes=0-3', '0123', 'bytes 0-3/10'],
		['bytes=4-', '456789', 'bytes 4-9/10'],
		['bytes=-2', '89', 'bytes 8-9/10'],
		['bytes=-20', '0123456789', 'bytes 0-9/10'],
		['bytes=9-99999999999999999999999', '9', 'bytes 9-9/10'],
	] as const) {
		const answer = await ask(url, '/ten.txt', { range });
		assert.equal([answer.status, answer.body, answer.headers['content-range']], [206, body, place], range);
	}
	for (const range of ['bytes=10-', 'bytes=10-12', 'bytes=99999999999999999999999-', 'bytes=-0']) {
		const { status, body, headers } = await ask(url, '/ten.txt', { range });
		assert.equal([status, body, headers['content-range']], [416, '', 'bytes */10'], range);
	}
	assert.is((await ask(url, '/empty.txt', { range: 'bytes=0-' })).status, 416);
	for (const range of ['bytes=3-1', 'bytes=-', 'bytes=a-b', 'lines=1-2', 'bytes=0-1,3-4', 'bytes=1.5-2', 'bytes=-1-2', '']) {
		assert.equal([(await ask(url, '/ten.txt', { range })).status], [200], range);
	}
});

test('unreadable files do not stop the server', async ({ server: { url } }) => {
	// A folder in place of a file, and a pipe without a writer.
	for (const path of ['/odd/', '/pipe']) assert.is((await ask(url, path)).status, 404, path);
	assert.is((await ask(url, '/ten.txt')).status, 200);
});

test('aborted downloads close their files', async ({ server: { url } }) => {
	if (process.platform !== 'linux') return;
	const descriptors = () => readdirSync('/proc/self/fd').length;
	const before = descriptors();
	for (let i = 0; i < 40; i++) {
		await new Promise<void>((resolve, reject) => {
			const sent = request({ port: new URL(url).port, path: '/big.bin', agent: false }, (answer) => {
				answer.once('data', () => {
					answer.on('error', () => {});
					answer.destroy();
					resolve();
				});
			});
			sent.on('error', reject);
			sent.end();
		});
	}
	// The server notices a little later.
	for (let i = 0; i < 100 && descriptors() > before + 4; i++) await new Promise((resolve) => setTimeout(resolve, 50));
	assert.ok(descriptors() <= before + 4, `${descriptors()} descriptors are open; there were ${before}`);
	assert.is((await ask(url, '/big.bin', { range: `bytes=${BIG - 1}-` })).status, 206);
});

test('the command line has help, and rejects wrong options', () => {
	const run = (...args: readonly string[]) =>
		spawnSync(process.execPath, ['examples/serve.mjs', ...args], { encoding: 'utf8', timeout: 120_000 });
	assert.match(run('--help').stdout, /serve\.mjs \[FOLDER\] \[PORT\]/);
	for (const [args, message] of [
		[['--prot', '1'], /Unknown option '--prot'/],
		[['no such folder'], /there is no folder 'no such folder'/],
		[['.', 'x'], /the port 'x' must be a number/],
		[['.', '0', '1'], /takes a folder and a port/],
	] as const) {
		const { status, stderr } = run(...args);
		assert.match(stderr, message);
		assert.is(status, 2);
	}
});

test.run();
