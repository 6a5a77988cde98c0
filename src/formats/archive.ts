/** Zip archives of models. PyTorch and Keras compress nothing in them, so a small file that unpacks to a large one is not theirs. */
import type { ZipEntry } from 'unzipit';
import { FormatError, WgradError } from '../core/errors';
import { quote } from '../io/header';

/** Turns the errors of the zip reader into FormatErrors. `kind` is what the archive should be: 'PyTorch file'. */
export async function unzipping<T>(kind: string, use: () => Promise<T>): Promise<T> {
	try {
		return await use();
	} catch (error) {
		if (error instanceof WgradError) throw error;
		throw new FormatError(`${kind}: the zip archive is damaged: ${(error as Error).message}`, { cause: error });
	}
}

/** The bytes of an entry that `writer` did not compress. Throws a FormatError for a compressed one, and for one of more than `most` bytes. */
export async function storedBytes(
	kind: string,
	writer: string,
	entry: ZipEntry,
	most = Number.POSITIVE_INFINITY,
): Promise<Uint8Array> {
	const name = quote(entry.name);
	if (entry.compressionMethod !== 0)
		throw new FormatError(
			`${kind}: ${name} is compressed, and ${writer} compresses nothing. Pack it again without compression: zip -0`,
		);
	if (entry.size > most) throw new FormatError(`${kind}: ${name} claims ${entry.size} bytes`);
	return new Uint8Array(await unzipping(kind, () => entry.arrayBuffer()));
}
