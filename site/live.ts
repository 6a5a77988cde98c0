/** The training run of the start page: a small network learns two spirals, on WebGPU or else on the CPU. */
import { crossEntropy, init, manualSeed, nn, noGrad, optim, type Tensor, tensor, tidy } from 'wgrad';

/** Points along a side of the plane at which the network is asked. */
const SIDE = 48;
/** The plane reaches from -1 to 1. */
const TURNS = 1.6;
const MOST_STEPS = 3000;
const COLOURS = ['#e8590c', '#1c7ed6'];

interface Points {
	readonly x: Float32Array;
	readonly classes: Int32Array;
}

/** Two spirals with `count` points each. */
function spirals(count: number): Points {
	const x = new Float32Array(4 * count);
	const classes = new Int32Array(2 * count);
	for (let i = 0; i < 2 * count; i++) {
		const share = (i >> 1) / count;
		const angle = TURNS * 2 * Math.PI * share + (i % 2) * Math.PI;
		const radius = 0.08 + 0.85 * share;
		x[2 * i] = radius * Math.cos(angle);
		x[2 * i + 1] = radius * Math.sin(angle);
		classes[i] = i % 2;
	}
	return { x, classes };
}

function grid(): Float32Array {
	const x = new Float32Array(2 * SIDE * SIDE);
	for (let i = 0; i < SIDE * SIDE; i++) {
		x[2 * i] = (2 * (i % SIDE)) / (SIDE - 1) - 1;
		x[2 * i + 1] = 1 - (2 * Math.floor(i / SIDE)) / (SIDE - 1);
	}
	return x;
}

function drawPlane(canvas: HTMLCanvasElement, belief: ArrayLike<number>, points: Points): void {
	const context = canvas.getContext('2d')!;
	const small = new OffscreenCanvas(SIDE, SIDE);
	const pixels = new ImageData(SIDE, SIDE);
	for (let i = 0; i < SIDE * SIDE; i++) {
		const p = belief[i]!;
		// From orange by white to blue.
		pixels.data.set(
			[255 - 160 * Math.max(0, 2 * p - 1), 255 - 110 * Math.abs(2 * p - 1), 255 - 190 * Math.max(0, 1 - 2 * p), 255],
			4 * i,
		);
	}
	small.getContext('2d')!.putImageData(pixels, 0, 0);
	context.drawImage(small, 0, 0, canvas.width, canvas.height);
	for (let i = 0; i < points.classes.length; i++) {
		context.fillStyle = COLOURS[points.classes[i]!]!;
		context.beginPath();
		context.arc(
			(canvas.width * (points.x[2 * i]! + 1)) / 2,
			(canvas.height * (1 - points.x[2 * i + 1]!)) / 2,
			2.5,
			0,
			2 * Math.PI,
		);
		context.fill();
	}
}

function drawCurve(canvas: HTMLCanvasElement, losses: readonly number[]): void {
	const context = canvas.getContext('2d')!;
	context.clearRect(0, 0, canvas.width, canvas.height);
	context.fillStyle = '#333';
	context.font = '14px system-ui, sans-serif';
	context.fillText('loss', 8, 18);
	context.strokeStyle = '#364fc7';
	context.lineWidth = 2;
	context.beginPath();
	losses.forEach((loss, i) => {
		const x = (canvas.width * i) / Math.max(1, losses.length - 1);
		context.lineTo(x, canvas.height - 4 - (canvas.height - 30) * Math.min(1, loss / 0.75));
	});
	context.stroke();
}

function find<T extends HTMLElement>(place: HTMLElement, name: string): T {
	return place.querySelector<T>(`.live-${name}`)!;
}

/** Starts the run in the elements of LiveRun.vue. Returns the function that ends it. */
export function start(place: HTMLElement): () => void {
	const status = find(place, 'status');
	const pause = find<HTMLButtonElement>(place, 'pause');
	const again = find<HTMLButtonElement>(place, 'again');
	let ended = false;
	let paused = false;
	let restart = false;
	let wake = () => {};
	pause.onclick = () => {
		paused = !paused;
		pause.textContent = paused ? 'Go on' : 'Pause';
		wake();
	};
	again.onclick = () => {
		restart = true;
		wake();
	};

	async function chooseDevice(): Promise<boolean> {
		const device = find(place, 'device');
		const info = await init({ device: 'webgpu' }).catch(() => null);
		if (info !== null) {
			device.textContent = `Computes with WebGPU on ${info.adapter?.description}.`;
			return true;
		}
		await init({ device: 'cpu' });
		device.textContent =
			'There is no WebGPU here, so this run computes on the CPU, which is slow. Chrome and Edge 113, Safari 26 and Firefox 141 have WebGPU.';
		return false;
	}

	async function train(onGpu: boolean, seed: number): Promise<void> {
		manualSeed(seed);
		const points = spirals(onGpu ? 100 : 50);
		const width = onGpu ? 32 : 16;
		const x = tensor(points.x, { shape: [points.classes.length, 2] });
		const y = tensor(points.classes);
		const everywhere = tensor(grid(), { shape: [SIDE * SIDE, 2] });
		const model = new nn.Sequential(
			new nn.Linear(2, width),
			new nn.Tanh(),
			new nn.Linear(width, width),
			new nn.Tanh(),
			new nn.Linear(width, 2),
		);
		const optimizer = new optim.AdamW(model.parameters(), { lr: 0.01 });
		const step = (): Tensor =>
			tidy(() => {
				optimizer.zeroGrad();
				const loss = crossEntropy(model.forward(x), y);
				loss.backward();
				optimizer.step();
				return loss.detach();
			});
		const losses: number[] = [];
		let steps = 0;
		let perFrame = 1;
		status.textContent = onGpu ? 'Compiling kernels …' : 'Starting …';
		while (!ended && !restart && steps < MOST_STEPS) {
			const before = performance.now();
			for (let i = 1; i < perFrame; i++) step().dispose();
			const loss = step();
			const belief = tidy(() => noGrad(() => model.forward(everywhere).softmax(1).select(1, 1)));
			const [value, values] = await Promise.all([loss.item(), belief.data()]);
			for (const tensor of [loss, belief]) tensor.dispose();
			steps += perFrame;
			losses.push(value);
			const spent = performance.now() - before;
			drawPlane(find(place, 'plane'), values, points);
			drawCurve(find(place, 'curve'), losses);
			status.textContent = `Step ${steps}, loss ${value.toFixed(4)}, ${Math.round((1000 * perFrame) / spent)} steps per second`;
			// The first frame compiles. Afterwards a frame takes about 50 ms.
			if (losses.length > 1) perFrame = Math.max(1, Math.min(20, Math.round((perFrame * 50) / spent)));
			await new Promise(requestAnimationFrame);
			while (paused && !ended && !restart) await new Promise<void>((resolve) => (wake = resolve));
		}
		for (const tensor of [x, y, everywhere, ...model.parameters()]) tensor.dispose();
		if (steps >= MOST_STEPS) status.textContent += '. Done';
	}

	async function run(): Promise<void> {
		const onGpu = await chooseDevice();
		if (ended) return;
		// For people who asked for less motion, the run waits for its button.
		paused = matchMedia('(prefers-reduced-motion: reduce)').matches;
		if (paused) pause.textContent = 'Go on';
		pause.disabled = false;
		again.disabled = false;
		for (let seed = 1; !ended; seed++) {
			restart = false;
			await train(onGpu, seed);
			while (!ended && !restart) await new Promise<void>((resolve) => (wake = resolve));
		}
	}

	run().catch((error: Error) => {
		status.textContent = `The run stopped: ${error.message}`;
	});
	return () => {
		ended = true;
		wake();
	};
}
