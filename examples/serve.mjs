#!/usr/bin/env node
/** Serves a folder of static files on localhost: `node examples/serve.mjs FOLDER [PORT]`. */
import { open, realpath, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize, relative, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

/** @type {Readonly<Record<string, string>>} */
const TYPES = {
	'.css': 'text/css',
	'.html': 'text/html; charset=utf-8',
	'.js': 'text/javascript',
	'.json': 'application/json',
	'.map': 'application/json',
	'.png': 'image/png',
	'.svg': 'image/svg+xml',
};

/**
 * @param {string} folder
 * @param {number} [port] 0, the default, takes a free one
 * @returns {Promise<{ url: string, close: () => void }>}
 */
export async function serve(folder, port = 0) {
	const server = createServer(async (request, response) => {
		try {
			await answer(folder, request, response);
		} catch {
			// The file is missing, unreadable or outside of the folder, or the client has gone.
			if (response.headersSent) response.destroy();
			else response.writeHead(404).end('not found');
		}
	});
	await new Promise((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', () => resolve(undefined)));
	const address = server.address();
	if (address === null || typeof address === 'string') throw new Error('serve: the server has no port');
	return {
		url: `http://localhost:${address.port}/`,
		close() {
			server.close();
			server.closeAllConnections();
		},
	};
}

/**
 * @param {string} folder
 * @param {import('node:http').IncomingMessage} request
 * @param {import('node:http').ServerResponse} response
 */
async function answer(folder, { url = '/', method = 'GET', headers }, response) {
	if (method !== 'GET' && method !== 'HEAD') {
		response.writeHead(405, { allow: 'GET, HEAD' }).end('only GET and HEAD are served');
		return;
	}
	const { pathname, search } = new URL(url, 'http://localhost');
	const path = decodeURIComponent(pathname);
	const found = await inside(folder, normalize(path));
	if ((await stat(found)).isDirectory() && !path.endsWith('/')) {
		// Not '//', which would lead to another host.
		response.writeHead(301, { location: `${pathname.replace(/^\/+/, '/')}/${search}` }).end();
		return;
	}
	const file = (await stat(found)).isDirectory() ? await inside(folder, join(normalize(path), 'index.html')) : found;
	// Opening a pipe would block until someone writes to it.
	if (!(await stat(file)).isFile()) throw new Error(`${file} is not a file`);
	const handle = await open(file);
	try {
		const { size } = await handle.stat();
		const range = rangeOf(headers.range, size);
		const type = TYPES[extname(file)] ?? 'application/octet-stream';
		const common = { 'accept-ranges': 'bytes', 'cache-control': 'no-store' };
		if (range === 'beyond') {
			response.writeHead(416, { ...common, 'content-range': `bytes */${size}` }).end();
			return;
		}
		// If the file shrinks while it is sent, end the connection; otherwise the client would wait for the rest.
		response.strictContentLength = true;
		const [start, end] = range ?? [0, size - 1];
		response.writeHead(range === null ? 200 : 206, {
			...common,
			'content-type': type,
			'content-length': end - start + 1,
			...(range === null ? {} : { 'content-range': `bytes ${start}-${end}/${size}` }),
		});
		if (method === 'HEAD' || size === 0) response.end();
		// Also closes the file when the client disconnects.
		else await pipeline(handle.createReadStream({ start, end, autoClose: false }), response);
	} finally {
		await handle.close();
	}
}

/**
 * Returns the real path of a file or folder. Rejects links that lead out of the folder.
 *
 * @param {string} folder
 * @param {string} path
 */
async function inside(folder, path) {
	const root = await realpath(folder);
	const found = await realpath(join(root, path));
	if (found !== root && !found.startsWith(root.endsWith(sep) ? root : root + sep))
		throw new Error(`${path} leads out of the folder`);
	return found;
}

/**
 * Parses the byte range of a request. Returns null for the whole file, also for several ranges or an invalid header.
 *
 * @param {string | undefined} header
 * @param {number} size
 * @returns {[start: number, end: number] | 'beyond' | null}
 */
function rangeOf(header, size) {
	const [, first = '', last = ''] = /^bytes=(\d*)-(\d*)$/.exec(header?.trim() ?? '') ?? [];
	if (first === '' && last === '') return null;
	if (first === '') return last === '0' || size === 0 ? 'beyond' : [Math.max(0, size - Number(last)), size - 1];
	const [start, end] = [Number(first), last === '' ? size - 1 : Math.min(Number(last), size - 1)];
	if (last !== '' && Number(last) < start) return null;
	return start >= size ? 'beyond' : [start, end];
}

/** Reads the command line. Throws an error that names the problem. */
async function readArguments() {
	const { values, positionals } = parseArgs({ options: { help: { type: 'boolean' } }, allowPositionals: true });
	const [folder = 'dist/examples', port = '8080', ...others] = positionals;
	if (others.length > 0) throw new Error(`serve: it takes a folder and a port, and nothing else: ${others.join(' ')}`);
	if (!/^\d+$/.test(port) || Number(port) > 65535) throw new Error(`serve: the port '${port}' must be a number from 0 to 65535`);
	const isFolder = await stat(folder).then(
		(found) => found.isDirectory(),
		() => false,
	);
	if (!isFolder && !values.help) throw new Error(`serve: there is no folder '${folder}'; npm run page builds the examples first`);
	return { help: values.help ?? false, folder, port: Number(port) };
}

async function main() {
	const { help, folder, port } = await readArguments();
	if (help) {
		console.log(
			'node examples/serve.mjs [FOLDER] [PORT]\n\nServes FOLDER (default dist/examples) at localhost:PORT (default 8080, 0 for any) until it is stopped.',
		);
		return;
	}
	const { url } = await serve(folder, port);
	console.log(`Serving ${folder} at ${url}`);
}

if (process.argv[1] !== undefined && relative(process.argv[1], fileURLToPath(import.meta.url)) === '') {
	await main().catch((error) => {
		console.error(error.code === 'EADDRINUSE' ? 'serve: the port is in use; name another one' : error.message);
		process.exitCode = 2;
	});
}
