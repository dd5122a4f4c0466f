// SPDX-License-Identifier: Apache-2.0
// loop.js SECONDS: compiled JavaScript, the runtime's own C++ (JSON, regular expressions, sorting) and its collector.
'use strict';

class Shop {
	constructor(orders) {
		this.orders = orders;
	}

	totals() {
		const sums = new Map();
		for (const order of this.orders)
			for (const item of order.items)
				sums.set(item.name, (sums.get(item.name) || 0) + item.price * item.count);
		return sums;
	}

	best(count) {
		return [...this.totals()].sort((a, b) => b[1] - a[1]).slice(0, count);
	}
}

function makeOrders(seed) {
	return Array.from({ length: 120 }, (_, i) => ({
		id: i,
		items: Array.from({ length: 5 }, (_, j) => ({ name: `item-${(seed * 31 + i * j) % 97}`, price: i % 13, count: j })),
	}));
}

function descend(level, action) {
	return level ? descend(level - 1, action) : action();
}

function fingerprint(shop) {
	const text = shop.best(50).map(([name]) => name).join(' ');
	return [...text.matchAll(/(\w+)-(\d+)/g)].reduce((sum, match) => (sum * 31 + Number(match[2])) | 0, 7);
}

const end = Date.now() + Number(process.argv[2]) * 1000;
for (let seed = 1; Date.now() < end; seed++) {
	const orders = descend(seed % 20, () => JSON.parse(JSON.stringify(makeOrders(seed))));
	descend(seed % 7, () => fingerprint(new Shop(orders)));
}
