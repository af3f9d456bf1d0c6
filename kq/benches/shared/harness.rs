//! Criterion asks the questions.

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};

use super::{families, Field};

/// All questions to a field, with criterion's command line.
pub fn run<F: Field>() {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(500))
        .configure_from_args();
    for family in families::<F>() {
        let mut group = criterion.benchmark_group(family.id);
        for value in &family.values {
            group.throughput(Throughput::Elements((family.operations)(*value)));
            for mut contender in (family.set_up)(*value) {
                let id = BenchmarkId::new(contender.name, value);
                group.bench_function(id, |bencher| bencher.iter_custom(|turns| (contender.run)(turns)));
            }
        }
        group.finish();
    }
    criterion.final_summary();
}
