/** A device that has no memory for a tensor: the error says what takes it, what is live stays, and smaller work goes on. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DeviceError, init, nn, ones, randn, shutdown, sync, tidy } from 'wgrad';
import { assertRejects } from '../train/setting';
import { faultyAdapter } from './adapter';

test.after(() => shutdown());

for (const bytes of [2 ** 16, 2 ** 24]) {
	test(`a tensor of ${bytes} bytes for which there is no memory is named, with a table`, async () => {
		await shutdown();
		const adapter = await faultyAdapter({ refuses: (size) => size >= bytes });
		await init({ device: 'webgpu', adapter });
		const model = new nn.Linear(16, 16);
		const small = ones([8, 16]);
		const before = [...(await model.forward(small).data())];
		const failing = () => tidy(() => model.forward(randn([bytes / 64, 16])).sum()).item();
		const message = /^randn: a float32 tensor \[\d+, 16\] of \d+ elements: the GPU has no .* left\. Take smaller batches/;
		await assertRejects(failing, message);
		assert.ok(adapter.refusals > 0);
		const error: unknown = await failing().catch((error) => error);
		assert.instance(error, DeviceError);
		const table = (error as Error).message;
		assert.match(table, /Live, by the operation that made it:\n(.*\n)* +[\d.]+ [KM]?i?B {2}ones, 1 tensors/);
		assert.match(table, /The largest:\n +[\d.]+ [KM]iB {2}randn: a float32 tensor \[\d+, 16\] of \d+ elements/);
		await sync();
		assert.equal([...(await model.forward(small).data())], before, 'what was live computes as before');
	});
}

test.run();
