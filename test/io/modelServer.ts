/** A server of files in memory that can break connections, ignore ranges and count what it sends. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ModelServer {
	readonly url: string;
	readonly files: Map<string, Uint8Array>;
	/** The ranges that were asked for, '' for whole files. */
	readonly requests: string[];
	/** Bytes after which the next connections break. */
	breaks: number[];
	ranges: boolean;
	/** The versions that the next answers tell; '"1"' behind them. */
	etags: string[];
	close(): Promise<void>;
}

export async function modelServer(): Promise<ModelServer> {
	const files = new Map<string, Uint8Array>();
	const requests: string[] = [];
	const http = createServer((request, response) => {
		const file = files.get(decodeURIComponent(request.url!.slice(1)));
		if (file === undefined) {
			response.writeHead(404).end();
			return;
		}
		const [, from] = /^bytes=(\d+)-$/.exec(request.headers.range ?? '') ?? [];
		requests.push(request.headers.range ?? '');
		const start = from !== undefined && server.ranges ? Number(from) : 0;
		const headers = { 'content-length': file.length - start, etag: server.etags.shift() ?? '"1"' };
		response.writeHead(start > 0 ? 206 : 200, headers);
		const limit = server.breaks.shift();
		if (limit === undefined) response.end(file.subarray(start));
		else response.write(file.subarray(start, start + limit), () => request.socket.destroySoon());
	});
	await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
	const server: ModelServer = {
		url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
		files,
		requests,
		breaks: [],
		ranges: true,
		etags: [],
		close: async () => {
			http.closeAllConnections();
			await new Promise((resolve) => http.close(resolve));
		},
	};
	return server;
}
