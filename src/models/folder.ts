/** The files of a model: a folder, an address, a model on a hub, or files that a user chose. */
import { describe } from '../core/checks';
import { ArgumentError, FormatError, WgradError } from '../core/errors';
import type { Global } from '../core/globals';
import { type Source, sourceName } from '../data/sources';
import { openSource } from '../io/open';

/**
 * Where a model is. A string is the name of a model on the hub ('openai-community/gpt2') or the address of a folder; in Node, also the path of a
 * folder, which is tried first. A page can pass the files that a user chose, or a handle of a folder.
 */
export type ModelSource = string | Global<'URL'> | readonly Global<'File'>[] | Global<'FileSystemDirectoryHandle'>;

export interface HubOptions {
	/** The hub's address. Default 'https://huggingface.co'. */
	readonly hub?: string;
	/** A branch, tag or commit of a model on the hub. Default 'main'. */
	readonly revision?: string;
}

/** Opens a file by name, or returns null if it is not there. */
export type OpenFile = (name: string) => Promise<Source | null>;

/** Whether a string is a folder of this machine. Only Node has folders. */
let isFolder: (path: string) => Promise<boolean> = async () => false;
/** Whether a file is there. */
let isFile: (path: string) => Promise<boolean> = async () => false;

/** Makes strings paths. */
export function setFolders(folders: { isFolder: typeof isFolder; isFile: typeof isFile }): void {
	({ isFolder, isFile } = folders);
}

/** Finds the files of `source`. */
export async function openFolder(
	source: ModelSource,
	{ hub = 'https://huggingface.co', revision = 'main' }: HubOptions,
): Promise<OpenFile> {
	if (Array.isArray(source)) return fromList(source as readonly File[]);
	if (source instanceof URL)
		return source.protocol === 'file:' ? fromPath(decodeURIComponent(source.pathname)) : fromUrl(source.href);
	if (typeof source === 'object' && source !== null && 'getFileHandle' in source)
		return fromHandle(source as FileSystemDirectoryHandle);
	if (typeof source !== 'string') {
		throw new ArgumentError(`fromPretrained: the source must be a folder, an address, a name or files, not ${describe(source)}`);
	}
	if (/^https?:/.test(source)) return fromUrl(source);
	if (await isFolder(source)) return fromPath(source);
	if (/^[\w.-]+(\/[\w.-]+)?$/.test(source))
		return fromUrl(`${hub.replace(/\/$/, '')}/${source}/resolve/${encodeURIComponent(revision)}/`);
	throw new ArgumentError(
		`fromPretrained: '${source}' is neither a folder nor an address nor the name of a model, such as 'openai-community/gpt2'`,
	);
}

function fromPath(folder: string): OpenFile {
	return async (name) => ((await isFile(`${folder}/${name}`)) ? `${folder}/${name}` : null);
}

function fromList(files: readonly File[]): OpenFile {
	return async (name) => files.find((file) => file.name === name) ?? null;
}

function fromHandle(folder: FileSystemDirectoryHandle): OpenFile {
	return async (name) => {
		try {
			return await (await folder.getFileHandle(name)).getFile();
		} catch (error) {
			if ((error as Error).name === 'NotFoundError') return null;
			throw error;
		}
	};
}

/** Asks the server for the file's headers only, to find out whether the file is there. */
function fromUrl(folder: string): OpenFile {
	const base = folder.endsWith('/') ? folder : `${folder}/`;
	return async (name) => {
		const url = `${base}${name}`;
		let response: Response;
		try {
			response = await fetch(url, { method: 'HEAD' });
		} catch (cause) {
			throw new WgradError(`fromPretrained: ${url} cannot be fetched: ${(cause as Error).message}`, { cause });
		}
		if (response.status === 404) return null;
		if (!response.ok)
			throw new WgradError(`fromPretrained: ${url}: the server answered ${response.status} ${response.statusText}`.trimEnd());
		return url;
	};
}

/** Reads a JSON file, or returns null if it is not there. */
export async function readJson(open: OpenFile, name: string): Promise<unknown> {
	const source = await open(name);
	if (source === null) return null;
	const file = await openSource('fromPretrained', source, {});
	try {
		return JSON.parse(new TextDecoder().decode(await file.read(0, file.size)));
	} catch (cause) {
		if (!(cause instanceof SyntaxError)) throw cause;
		throw new FormatError(`fromPretrained: ${sourceName(source)} is no JSON: ${cause.message}`, { cause });
	} finally {
		await file.close();
	}
}
