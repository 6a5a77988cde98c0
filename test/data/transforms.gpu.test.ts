/** Augmentation on WebGPU against the CPU: the same bits if the arithmetic is exact, else the same to rounding. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Device, init, manualSeed, rand, type Tensor, tensor } from 'wgrad';
import { transforms } from 'wgrad/data';

test.before(async () => {
	await init({ device: 'webgpu' });
});

/** Images of odd sizes, as a view, so that strides and offsets matter. */
async function images(device: Device): Promise<Tensor> {
	manualSeed(3);
	const whole = rand([7, 5, 13, 19], { device: 'cpu' });
	const moved = device === 'cpu' ? whole : whole.to('webgpu');
	return moved.narrow(1, 1, 3);
}

async function run(transform: transforms.Transform, device: Device, target?: Tensor): Promise<ArrayLike<number>[]> {
	const x = await images(device);
	const generator = manualSeed(11);
	const fields = transform(target === undefined ? [x] : [x, device === 'cpu' ? target : target.to('webgpu')], { generator });
	assert.ok(fields.every((field) => field.device === device));
	return Promise.all(fields.map((field) => field.data()));
}

const EXACT: Record<string, transforms.Transform> = {
	flips: transforms.compose(transforms.randomHorizontalFlip(), transforms.randomVerticalFlip()),
	'crop of zeros': transforms.randomCrop([11, 17], { padding: 4 }),
	'crop, reflected': transforms.randomCrop(32, { padding: 12, paddingMode: 'reflect' }),
	'crop, symmetric': transforms.randomCrop(25, { padding: [7, 13], paddingMode: 'symmetric' }),
	'crop, edge': transforms.randomCrop([21, 30], { padding: [9, 3, 5, 8], paddingMode: 'edge' }),
	shift: transforms.randomShift([0.4, 0.3], { fill: 0.5 }),
	'no rotation': transforms.randomRotation(0),
	'quarter turns': transforms.randomRotation([180, 180]),
	brightness: transforms.randomBrightness(0.4),
	normalize: transforms.normalize([0.4, 0.5, 0.6], [0.2, 0.3, 0.25]),
	cutout: transforms.cutout([5, 8], { fill: 0.25 }),
	erasing: transforms.randomErasing({ p: 0.8 }),
	mixup: transforms.mixup(0.4, { numClasses: 6 }),
};

for (const [name, transform] of Object.entries(EXACT)) {
	test(`${name}: the CPU's bits`, async () => {
		const target = name === 'mixup' ? tensor(Int32Array.of(0, 5, 1, 2, 2, 4, 3), { device: 'cpu' }) : undefined;
		const [cpu, gpu] = [await run(transform, 'cpu', target), await run(transform, 'webgpu', target)];
		assert.equal(gpu, cpu);
	});
}

const ROUNDED: Record<string, transforms.Transform> = {
	rotation: transforms.randomRotation(40),
	'rotation, reflected': transforms.randomRotation(180, { paddingMode: 'reflect' }),
	'rotation, symmetric': transforms.randomRotation(180, { paddingMode: 'symmetric' }),
	shear: transforms.randomShear(30, { y: 20, fill: 0.5 }),
	zoom: transforms.randomZoom(0.5, { keepAspect: false, paddingMode: 'edge' }),
	affine: transforms.randomAffine({ degrees: 20, translate: 0.2, scale: [0.7, 1.4], shear: 10 }),
	contrast: transforms.randomContrast(0.6),
};

for (const [name, transform] of Object.entries(ROUNDED)) {
	test(`${name}: the CPU's numbers`, async () => {
		const [[cpu], [gpu]] = [await run(transform, 'cpu'), await run(transform, 'webgpu')];
		let worst = 0;
		for (let i = 0; i < cpu!.length; i++) worst = Math.max(worst, Math.abs(cpu![i]! - gpu![i]!));
		// Positions of up to 30 pixels are rounded to 2e-6 of a pixel; an image of noise changes that much over this distance.
		assert.ok(worst < 1e-5, `differs by ${worst}`);
		assert.equal(await run(transform, 'webgpu'), [gpu]);
	});
}

test.run();
