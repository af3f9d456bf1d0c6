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
    let families = families::<F>();
    // Others are not even set up if a filter begins with a family's name; criterion does the rest.
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    let named = filter.split('/').next().filter(|name| families.iter().any(|family| family.id == *name));
    for family in families.iter().filter(|family| named.map_or(true, |name| name == family.id)) {
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
