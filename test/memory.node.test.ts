/** Short runs of training loops in every style; `npm run soak` runs them longer. */
import { test } from 'uvu';
import { init } from 'wgrad';
import { type Habit, habits, requireFlat, runLoop } from './soak/loops';

test.before(async () => {
	await init({ device: 'webgpu' });
});

for (const habit of Object.keys(habits) as Habit[]) {
	test(`the loop '${habit}' holds as much after 800 steps as after 200`, async () => {
		requireFlat(habit, await runLoop(habit, [200, 800]));
	});
}

test.run();
