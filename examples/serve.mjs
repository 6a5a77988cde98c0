#!/usr/bin/env node
/** Serves a folder of static files on localhost: `node examples/serve.mjs FOLDER [PORT]`. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

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
			const path = decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname);
			let file = join(folder, normalize(path));
			if ((await stat(file)).isDirectory()) {
				if (!path.endsWith('/')) return response.writeHead(301, { location: `${path}/` }).end();
				file = join(file, 'index.html');
			}
			const { size } = await stat(file);
			const type = TYPES[extname(file)] ?? 'application/octet-stream';
			response.writeHead(200, { 'content-type': type, 'content-length': size, 'cache-control': 'no-store' });
			createReadStream(file).pipe(response);
		} catch {
			response.writeHead(404).end('not found');
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

if (process.argv[1] !== undefined && relative(process.argv[1], fileURLToPath(import.meta.url)) === '') {
	const [folder = 'dist/examples', port = '8080'] = process.argv.slice(2);
	const { url } = await serve(folder, Number(port));
	console.log(`Serving ${folder} at ${url}`);
}
