//! Methods of DataFusion's `async_trait`s, by ordinary `async fn`s of a type.
//!
//! The attribute `async_trait` writes lifetimes with bounds, and below bounds the compiler remembers nothing of what it has proved: for
//! each body it proves anew, for seconds, that an `Expr`, with all that can be in one, may be sent to another thread. Here it is
//! proved in a function without bounds, once for the whole crate.

/// `TableProvider::scan`, by an `async fn` of the same arguments.
macro_rules! boxed_scan {
    ($table:ident::$body:ident) => {
        fn scan<'a, 'b, 'c, 'd, 'f>(
            &'a self,
            session: &'b dyn datafusion::catalog::Session,
            projection: Option<&'c Vec<usize>>,
            filters: &'d [datafusion::logical_expr::Expr],
            limit: Option<usize>,
        ) -> $crate::exec::Planned<'f>
        where
            'a: 'f,
            'b: 'f,
            'c: 'f,
            'd: 'f,
            Self: 'f,
        {
            fn boxed<'a>(
                table: &'a $table,
                session: &'a dyn datafusion::catalog::Session,
                projection: Option<&'a Vec<usize>>,
                filters: &'a [datafusion::logical_expr::Expr],
                limit: Option<usize>,
            ) -> $crate::exec::Planned<'a> {
                Box::pin(table.$body(session, projection, filters, limit))
            }
            boxed(self, session, projection, filters, limit)
        }
    };
}

/// `TableProvider::insert_into`, by an `async fn` of the same arguments.
macro_rules! boxed_insert_into {
    ($table:ident::$body:ident) => {
        fn insert_into<'a, 'b, 'f>(
            &'a self,
            session: &'b dyn datafusion::catalog::Session,
            input: std::sync::Arc<dyn datafusion::physical_plan::ExecutionPlan>,
            operation: datafusion::logical_expr::dml::InsertOp,
        ) -> $crate::exec::Planned<'f>
        where
            'a: 'f,
            'b: 'f,
            Self: 'f,
        {
            fn boxed<'a>(
                table: &'a $table,
                session: &'a dyn datafusion::catalog::Session,
                input: std::sync::Arc<dyn datafusion::physical_plan::ExecutionPlan>,
                operation: datafusion::logical_expr::dml::InsertOp,
            ) -> $crate::exec::Planned<'a> {
                Box::pin(table.$body(session, input, operation))
            }
            boxed(self, session, input, operation)
        }
    };
}

/// `TableProviderFactory::create`, by an `async fn` of the same arguments.
macro_rules! boxed_create {
    ($factory:ident::$body:ident) => {
        fn create<'a, 'b, 'c, 'f>(
            &'a self,
            session: &'b dyn datafusion::catalog::Session,
            command: &'c datafusion::logical_expr::CreateExternalTable,
        ) -> $crate::exec::Made<'f>
        where
            'a: 'f,
            'b: 'f,
            'c: 'f,
            Self: 'f,
        {
            fn boxed<'a>(
                factory: &'a $factory,
                session: &'a dyn datafusion::catalog::Session,
                command: &'a datafusion::logical_expr::CreateExternalTable,
            ) -> $crate::exec::Made<'a> {
                Box::pin(factory.$body(session, command))
            }
            boxed(self, session, command)
        }
    };
}

/// `QueryPlanner::create_physical_plan`, by an `async fn` of the same arguments.
macro_rules! boxed_create_physical_plan {
    ($planner:ident::$body:ident) => {
        fn create_physical_plan<'a, 'b, 'c, 'f>(
            &'a self,
            plan: &'b datafusion::logical_expr::LogicalPlan,
            session: &'c dyn datafusion::catalog::Session,
        ) -> $crate::exec::Planned<'f>
        where
            'a: 'f,
            'b: 'f,
            'c: 'f,
            Self: 'f,
        {
            fn boxed<'a>(
                planner: &'a $planner,
                plan: &'a datafusion::logical_expr::LogicalPlan,
                session: &'a dyn datafusion::catalog::Session,
            ) -> $crate::exec::Planned<'a> {
                Box::pin(planner.$body(plan, session))
            }
            boxed(self, plan, session)
        }
    };
}

/// `ExtensionPlanner::plan_extension`, by an `async fn` of the node, its physical inputs and the session.
macro_rules! boxed_plan_extension {
    ($planner:ident::$body:ident) => {
        fn plan_extension<'a, 'b, 'c, 'd, 'e, 'g, 'h, 'i, 'f>(
            &'a self,
            _planner: &'b dyn datafusion::physical_planner::PhysicalPlanner,
            node: &'c dyn datafusion::logical_expr::UserDefinedLogicalNode,
            _logical_inputs: &'d [&'e datafusion::logical_expr::LogicalPlan],
            inputs: &'g [std::sync::Arc<dyn datafusion::physical_plan::ExecutionPlan>],
            session: &'h dyn datafusion::catalog::Session,
            _context: &'i datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext,
        ) -> $crate::exec::MaybePlanned<'f>
        where
            'a: 'f,
            'b: 'f,
            'c: 'f,
            'd: 'f,
            'e: 'f,
            'g: 'f,
            'h: 'f,
            'i: 'f,
            Self: 'f,
        {
            fn boxed<'a>(
                planner: &'a $planner,
                node: &'a dyn datafusion::logical_expr::UserDefinedLogicalNode,
                inputs: &'a [std::sync::Arc<dyn datafusion::physical_plan::ExecutionPlan>],
                session: &'a dyn datafusion::catalog::Session,
            ) -> $crate::exec::MaybePlanned<'a> {
                Box::pin(planner.$body(node, inputs, session))
            }
            boxed(self, node, inputs, session)
        }
    };
}

pub(crate) use {boxed_create, boxed_create_physical_plan, boxed_insert_into, boxed_plan_extension, boxed_scan};
