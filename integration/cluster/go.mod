module herald.invalid/integration/cluster

go 1.26.0
