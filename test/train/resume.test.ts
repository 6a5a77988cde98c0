/** A run that is killed repeatedly gives the same bits as an uninterrupted one. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { runFor } from '../soak/campaign';
import { killedRuns } from '../soak/killedRuns';

test('killed 20 times at random moments, and resumed', async () => {
	assert.equal(await runFor(0, 'killedRuns', killedRuns), { runs: 1, kills: 20 });
});

test.run();
