/** Copies pictures that the browser shows (canvas, video, ImageBitmap) to buffers, on the device. */
import { TextureUsage } from './device';

/** WebGPU copies rows of textures at multiples of 256 bytes: this many words of 32 bits. */
const ROW_WORDS = 64;

/** The words from one row of pixels to the next. */
export function pitchOf(width: number): number {
	return Math.ceil(width / ROW_WORDS) * ROW_WORDS;
}

/**
 * Writes the pixels of `picture` to `buffer`, a word for each, red in its lowest byte; rows are `pitchOf(width)` words apart. Colours are sRGB, not
 * multiplied by alpha. Launches that are submitted later see them.
 */
export function copyPicture(device: GPUDevice, picture: object, width: number, height: number, buffer: GPUBuffer): void {
	const size = { width, height };
	const texture = device.createTexture({
		size,
		format: 'rgba8unorm',
		// The specification wants the last for copies of pictures.
		usage: TextureUsage.COPY_SRC | TextureUsage.COPY_DST | TextureUsage.RENDER_ATTACHMENT,
	});
	try {
		device.queue.copyExternalImageToTexture({ source: picture as ImageBitmap }, { texture }, size);
		const encoder = device.createCommandEncoder();
		encoder.copyTextureToBuffer({ texture }, { buffer, bytesPerRow: 4 * pitchOf(width), rowsPerImage: height }, size);
		device.queue.submit([encoder.finish()]);
	} finally {
		texture.destroy();
	}
}
